"""Worlds of replicas, configuration, images and probes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import (
    NOW,
    container,
    deployment,
    fires,
    live_secret,
    obj,
    pod,
    quiet,
    secret,
    service,
    world,
)


def hpa(least: int = 3, most: int = 30) -> Object:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": aim}
    return obj("HorizontalPodAutoscaler", "web", "autoscaling", spec=spec)


@fires("REPL-001", severity="error", says="runs 20 replicas; the target's manifest says 3", evidence="scales it")
def autoscaled_far_above_the_manifest() -> Snapshot:
    return world([deployment(replicas=3)], live=[deployment(replicas=20), hpa()]).snapshot()


@fires("REPL-001", severity="warning", evidence="scaled by hand")
def scaled_by_hand() -> Snapshot:
    return world([deployment(replicas=3)], live=[deployment(replicas=20)]).snapshot()


@quiet("REPL-001", "REPL-002")
def scaled_to_zero_with_a_count_in_the_manifest() -> Snapshot:
    return world([deployment(replicas=3)], live=[deployment(replicas=0), hpa()]).snapshot()


@fires("REPL-002", severity="info", object="Deployment/web", says="The run restores 3.")
def zero_with_an_autoscaler() -> Snapshot:
    return world([deployment(replicas=None)], live=[deployment(replicas=0), hpa()]).snapshot()


@fires("REPL-002", severity="warning", says="The run restores 1.")
def zero_without_an_autoscaler() -> Snapshot:
    return world([deployment(replicas=None)], live=[deployment(replicas=0)]).snapshot()


@fires("REPL-002", severity="warning", says="one pod is left until the run restores 8")
def the_count_was_added_since() -> Snapshot:
    return world([deployment(replicas=None)], [deployment(replicas=8)]).snapshot()


@quiet("REPL-002")
def omitted_and_running() -> Snapshot:
    return world([deployment(replicas=None)], live=[deployment(replicas=5)]).snapshot()


@fires("HPA-001", severity="warning", says="at most 4 replicas; Deployment/web runs 9 now")
def the_targets_maximum_is_too_small() -> Snapshot:
    return world([deployment(), hpa(most=4)], [deployment(), hpa()], [deployment(replicas=9), hpa()]).snapshot()


@fires("HPA-001", says="The rollback deletes HorizontalPodAutoscaler/web")
def the_autoscaler_goes() -> Snapshot:
    return world([deployment()], [deployment(), hpa()]).snapshot()


@quiet("HPA-001")
def the_autoscaler_fits() -> Snapshot:
    return world([deployment(), hpa()], live=[deployment(replicas=9), hpa()]).snapshot()


def config(name: str = "settings", **data: str) -> Object:
    return obj("ConfigMap", name, data=data)


ENV_FROM = {"envFrom": [{"configMapRef": {"name": "settings"}}]}


@fires("CFG-002", severity="warning", object="Deployment/web", evidence="ConfigMap/settings (envFrom of container app)")
def only_configuration_changes() -> Snapshot:
    web = deployment("web", container(**ENV_FROM))
    return world([web, config(a="1")], [web, config(a="2")]).snapshot()


@quiet("CFG-002")
def a_checksum_changes_with_it() -> Snapshot:
    one = deployment("web", container(**ENV_FROM))
    two = deployment("web", container(env=[{"name": "SUM", "value": "2"}], **ENV_FROM))
    return world([one, config(a="1")], [two, config(a="2")]).snapshot()


@quiet("CFG-002")
def another_configuration_changes() -> Snapshot:
    web = deployment("web", container(**ENV_FROM))
    return world([web, config("other", a="1")], [web, config("other", a="2")]).snapshot()


@quiet("CFG-002")
def a_secret_in_another_spelling() -> Snapshot:
    web = deployment("web", container(envFrom=[{"secretRef": {"name": "keys"}}]))
    return world([web, secret(a="1")], [web, obj("Secret", "keys", stringData={"a": "1"})]).snapshot()


@fires("CFG-003", severity="error", object="Secret/keys", evidence="password: live differs")
def a_secret_was_rotated() -> Snapshot:
    return world([secret(password="old")], live=[live_secret(password="new")]).snapshot()


@quiet("CFG-003")
def the_release_changed_it_itself() -> Snapshot:
    return world([secret(password="old")], [secret(password="new")], [live_secret(password="new")]).snapshot()


@quiet("CFG-003")
def rotated_to_what_the_target_has() -> Snapshot:
    return world([secret(password="old")], [secret(password="new")], [live_secret(password="old")]).snapshot()


def key_user(*, optional: bool = False) -> Object:
    ref = {"name": "api-keys", "key": "token", **({"optional": True} if optional else {})}
    return deployment("web", container(env=[{"name": "API_KEY", "valueFrom": {"secretKeyRef": ref}}]))


@fires(
    "CFG-004",
    severity="error",
    object="Secret/api-keys",
    says="needs key token of Secret/api-keys, which does not exist",
    evidence="Deployment/web: env API_KEY of container app",
)
def the_secret_is_gone() -> Snapshot:
    return world([key_user()]).snapshot()


@fires("CFG-004", object="Secret/api-keys", says="key token")
def the_key_is_gone() -> Snapshot:
    return world([key_user()], live=[live_secret("api-keys", other="x")]).snapshot()


@fires("CFG-004", says="is deleted by the rollback itself")
def the_rollback_deletes_what_it_needs() -> Snapshot:
    taken = secret("api-keys", token="x")
    return world([key_user()], [key_user(), taken], [live_secret("api-keys", token="x")]).snapshot()


@quiet("CFG-004")
def it_lives() -> Snapshot:
    return world([key_user()], live=[live_secret("api-keys", token="x")]).snapshot()


@quiet("CFG-004")
def it_comes_with_the_target() -> Snapshot:
    return world([key_user(), secret("api-keys", token="x")], [], []).snapshot()


@quiet("CFG-004")
def it_is_optional() -> Snapshot:
    return world([key_user(optional=True)]).snapshot()


@quiet("CFG-004")
def nobody_listed_secrets() -> Snapshot:
    """Absence proves nothing then; the runner reports it as unverified."""
    return world([key_user()]).snapshot(listed=frozenset())


@quiet("CFG-004")
def the_default_account_always_exists() -> Snapshot:
    return world([deployment(pod={"serviceAccountName": "default"})]).snapshot()


@fires("CFG-004", times=3, severity="error")
def account_claim_and_priority_are_gone() -> Snapshot:
    spec = {
        "serviceAccountName": "runner",
        "priorityClassName": "high",
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    return world([deployment(pod=spec)]).snapshot()


@fires("CFG-004", severity="error", object="Secret/pull")
def pull_secret_is_new_to_the_target() -> Snapshot:
    return world([deployment(pod={"imagePullSecrets": [{"name": "pull"}]})], [deployment()]).snapshot()


@fires("CFG-004", severity="warning", object="Secret/pull")
def todays_pods_miss_the_pull_secret_as_well() -> Snapshot:
    return world([deployment(pod={"imagePullSecrets": [{"name": "pull"}]})]).snapshot()


def reads(name: str, kind: str = "configMapRef") -> Object:
    return deployment("web", container(envFrom=[{kind: {"name": name}}]))


def beside(name: str = "settings", made: datetime | None = None, **fields: Any) -> Object:
    """A ConfigMap that somebody else manages; made: by default long before every revision."""
    found = obj("ConfigMap", name, data={"a": "b"}, **fields)
    found["metadata"]["creationTimestamp"] = (made or NOW - timedelta(days=90)).isoformat().replace("+00:00", "Z")
    return found


FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps"}


@fires("CFG-007", severity="info", status="unverified", object="ConfigMap/settings", evidence="Flux Kustomization apps")
def its_content_then_is_not_known() -> Snapshot:
    return world([reads("settings")], live=[beside(labels=FLUX)]).snapshot()


@fires("CFG-007", severity="warning", says="made after that revision", evidence="after revision 1")
def it_is_newer_than_the_target() -> Snapshot:
    return world([reads("settings")], live=[beside(made=NOW + timedelta(hours=1))]).snapshot()


@quiet("CFG-007")
def the_name_was_made_from_the_content() -> Snapshot:
    return world([reads("settings-9g89c6hhk9")], live=[beside("settings-9g89c6hhk9")]).snapshot()


@quiet("CFG-007")
def it_is_the_release_s_own() -> Snapshot:
    own = obj("ConfigMap", "settings", data={"a": "b"})
    return world([reads("settings"), own], live=[beside()]).snapshot()


@quiet("CFG-007")
def the_missing_one_is_another_finding() -> Snapshot:
    return world([reads("settings")]).snapshot()


@fires("IMG-001", severity="error", evidence="waits: ImagePullBackOff")
def a_live_pod_cannot_pull_it() -> Snapshot:
    waiting = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    return world([deployment()], live=[pod(containerStatuses=[waiting])]).snapshot()


@fires("IMG-001", severity="info", status="unverified", says="registry.example/shop:1")
def nobody_has_seen_the_image() -> Snapshot:
    return world([deployment()]).snapshot()


@quiet("IMG-001")
def a_node_has_the_image() -> Snapshot:
    node = obj("Node", "n", status={"images": [{"names": ["docker.io/library/nginx:latest"]}]})
    return world([deployment("web", container(image="nginx"))], live=[node]).snapshot()


@quiet("IMG-001")
def a_pod_runs_the_image() -> Snapshot:
    running = {"name": "app", "image": "registry.example/shop:1", "imageID": "registry.example/shop@sha256:1"}
    return world([deployment()], live=[pod(containerStatuses=[running])]).snapshot()


def probe(path: str = "/health", port: object = 8080, **fields: Any) -> Object:
    return {"httpGet": {"path": path, "port": port}, **fields}


PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}


@fires("PROBE-001", severity="warning", object="Deployment/web", evidence="selected by Service/web")
def no_readiness_behind_a_service() -> Snapshot:
    return world([deployment("web", container(**PORTS)), service()]).snapshot()


@fires("PROBE-001", says="Container app")
def only_the_container_that_is_served_counts() -> Snapshot:
    sidecar = container("metrics", ports=[{"containerPort": 9090}])
    return world([deployment("web", sidecar, container(**PORTS)), service(target="http")]).snapshot()


@quiet("PROBE-001")
def no_service() -> Snapshot:
    return world([deployment("web", container(**PORTS))]).snapshot()


@quiet("PROBE-001", "PROBE-002", "PROBE-005", "PROBE-011")
def well_probed() -> Snapshot:
    probes = {
        "readinessProbe": probe("/ready", "http"),
        "livenessProbe": probe("/live", "http"),
        "startupProbe": probe("/live", "http", failureThreshold=30),
    }
    return world([deployment("web", container(image="eclipse-temurin:21", **PORTS, **probes)), service()]).snapshot()


def started_in(*seconds: float) -> list[Object]:
    began = (NOW - timedelta(minutes=30)).isoformat()
    return [
        pod(
            number=number,
            conditions=[
                {
                    "type": "Ready",
                    "status": "True",
                    "lastTransitionTime": (NOW - timedelta(minutes=30) + timedelta(seconds=each)).isoformat(),
                }
            ],
            containerStatuses=[{"name": "app", "state": {"running": {"startedAt": began}}}],
        )
        for number, each in enumerate(seconds)
    ]


@fires("PROBE-002", severity="warning", says="kills it after 30 s", evidence="stack: JVM")
def jvm_without_startup_probe() -> Snapshot:
    return world([deployment("web", container(image="eclipse-temurin:21", livenessProbe=probe()))]).snapshot()


@fires("PROBE-002", severity="error", evidence="measured start of live pods: 40 to 55 s")
def live_pods_need_longer_than_it_allows() -> Snapshot:
    return world([deployment("web", container(livenessProbe=probe()))], live=started_in(40, 55)).snapshot()


@fires("PROBE-002", severity="warning", evidence="stack: not recognised")
def live_pods_need_most_of_it() -> Snapshot:
    return world([deployment("web", container(livenessProbe=probe()))], live=started_in(20, 20)).snapshot()


@quiet("PROBE-002")
def fast_pods() -> Snapshot:
    return world([deployment("web", container(livenessProbe=probe()))], live=started_in(2, 3)).snapshot()


@quiet("PROBE-002")
def jvm_measured_fast() -> Snapshot:
    """What was measured counts for more than what the image's name suggests."""
    web = deployment("web", container(image="eclipse-temurin:21", livenessProbe=probe()))
    return world([web], live=started_in(3, 4)).snapshot()


@fires("PROBE-005", severity="warning", says="a dependency that blinks")
def both_ask_for_readiness() -> Snapshot:
    same = {"livenessProbe": probe("/ready"), "readinessProbe": probe("/ready")}
    return world([deployment("web", container(**same))]).snapshot()


@quiet("PROBE-005")
def liveness_has_more_patience() -> Snapshot:
    same = {"livenessProbe": probe("/ready", failureThreshold=9), "readinessProbe": probe("/ready")}
    return world([deployment("web", container(**same))]).snapshot()


@fires("PROBE-011", severity="error", says="asks port 'web'", evidence="declared ports: http=8080")
def probe_of_an_undeclared_port() -> Snapshot:
    return world([deployment("web", container(readinessProbe=probe(port="web"), **PORTS))]).snapshot()


@quiet("PROBE-011")
def an_undeclared_number_may_listen_all_the_same() -> Snapshot:
    return world([deployment("web", container(readinessProbe=probe(port=9999), **PORTS))]).snapshot()
