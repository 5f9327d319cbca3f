"""Golden failures: of each the true cause comes first, with whom it accuses and what follows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from helm_safe.model.causes import CAUSES
from helm_safe.model.plan import Advice
from helm_safe.model.revisions import RevisionStatus
from tests.fakes.failing import NAME, WORKLOAD, Failing, crashed, hook, running, thing, waiting, workload

BACK, HOLD, FORWARD = Advice.ROLL_BACK, Advice.HOLD, Advice.ROLL_FORWARD
Build = Callable[[Path], Failing]


class Case(NamedTuple):
    """build: the failure. cause, advice: of the first suspicion; says: part of its words, evidence or difference."""

    build: Build
    cause: str
    advice: Advice
    says: str = ""


CASES: dict[str, Case] = {}


def case(cause: str, advice: Advice, says: str = "") -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        CASES[build.__name__.replace("_", " ")] = Case(build, cause, advice, says)
        return build

    return register


SAME = (workload("1"),)
SECRET_ENV = {"name": "DB_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}
NEEDS_SECRET = {"env": [SECRET_ENV]}


# --- the release is to blame ---


@case("crash", BACK, "image: shop/checkout-api:1 → shop/checkout-api:2")
def crash_loop(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "starting", "panic: runtime error: index out of range", previous=True)
    return made


@case("crash", HOLD, "nothing that changed between revisions 1 and 2 explains it")
def crash_loop_that_nothing_explains(folder: Path) -> Failing:
    made = Failing(folder, SAME, ({**workload("1"), "spec": {**workload("1")["spec"], "replicas": 3}},))
    made.pod(crashed(1))
    return made


_LOOPS = "Back-off restarting failed container app in pod checkout-api-1-x"


@case("crash", HOLD, "pods of another revision show the same")
def crash_loop_that_the_pods_before_were_in_as_well(folder: Path) -> Failing:
    """They are gone: a Deployment takes pods that do not run away first."""
    made = Failing(folder)
    made.pod(crashed(1))
    made.event(f"Pod/{NAME}-1-x", "BackOff", _LOOPS, at=-310)
    return made


@case("crash", BACK, "image: shop/checkout-api:1 → shop/checkout-api:2")
def crash_loop_after_an_earlier_one_that_was_over(folder: Path) -> Failing:
    made = Failing(folder)
    made.pod(crashed(1))
    made.event(f"Pod/{NAME}-1-x", "BackOff", _LOOPS, at=-900)
    return made


@case("out-of-memory", BACK, "limits.memory: 512Mi → 128Mi")
def out_of_memory(folder: Path) -> Failing:
    limits = ({"resources": {"limits": {"memory": size}}} for size in ("512Mi", "128Mi"))
    made = Failing(folder, (workload("1", **next(limits)),), (workload("1", **next(limits)),))
    made.pod(crashed(137, "OOMKilled"))
    return made


@case("killed", BACK, "SIGKILL")
def exit_137_without_a_reason(folder: Path) -> Failing:
    made = Failing(folder)
    made.pod(crashed(137))
    return made


@case("missing-object", BACK, "Secret/db")
def missing_secret(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", **NEEDS_SECRET),))
    pod = made.pod(waiting("CreateContainerConfigError", 'secret "db" not found'))
    made.event(f"Pod/{pod}", "Failed", 'Error: secret "db" not found')
    return made


@case("missing-object", HOLD, "Secret/db")
def a_secret_that_somebody_deleted(folder: Path) -> Failing:
    """Both revisions need it: a rollback does not bring it back."""
    made = Failing(folder, (workload("1", **NEEDS_SECRET),), (workload("2", **NEEDS_SECRET),))
    made.pod(waiting("CreateContainerConfigError", 'secret "db" not found'))
    return made


@case("missing-object", BACK, "ConfigMap/settings")
def missing_config_map_in_a_volume(folder: Path) -> Failing:
    volume = {"pod": {"volumes": [{"name": "v", "configMap": {"name": "settings"}}]}}
    made = Failing(folder, SAME, (workload("2", **volume),))
    pod = made.pod(waiting("ContainerCreating"))
    message = 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found'
    made.event(f"Pod/{pod}", "FailedMount", message)
    return made


@case("missing-key", BACK, "key url of Secret/db")
def missing_key(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", **NEEDS_SECRET),))
    made.cluster.put(thing("Secret", "db", data={"dsn": "eA=="}))
    made.pod(waiting("CreateContainerConfigError", "couldn't find key url in Secret prod/db"))
    return made


@case("image-missing", BACK, "shop/checkout-api:2")
def wrong_image(folder: Path) -> Failing:
    made = Failing(folder)
    pod = made.pod(waiting("ImagePullBackOff", 'Back-off pulling image "shop/checkout-api:2"'), phase="Pending")
    message = (
        'Failed to pull image "shop/checkout-api:2": rpc error: code = NotFound desc = shop/checkout-api:2: not found'
    )
    made.event(f"Pod/{pod}", "Failed", message)
    return made


@case("image-denied", BACK)
def image_that_may_not_be_pulled(folder: Path) -> Failing:
    made = Failing(folder)
    message = "pull access denied, repository does not exist or may require authorization"
    made.pod(waiting("ErrImagePull", message))
    return made


@case("image-name", BACK)
def image_name_that_is_none(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("UPPER CASE"),))
    made.pod(waiting("InvalidImageName", 'Failed to apply default image tag "x": invalid reference format'))
    return made


@case("wrong-architecture", BACK)
def exec_format_error(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "exec /app/server: exec format error", previous=True)
    return made


@case("wrong-architecture", BACK)
def no_image_for_the_platform(folder: Path) -> Failing:
    made = Failing(folder)
    made.pod(waiting("ErrImagePull", "no match for platform in manifest: not found"))
    return made


@case("command", BACK, "command")
def command_that_is_not_there(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", command=["/app/srv"]),))
    message = 'exec: "/app/srv": stat /app/srv: no such file or directory'
    made.pod(crashed(128, "StartError", message=message))
    return made


@case("probe", BACK, "readinessProbe")
def bad_probe(folder: Path) -> Failing:
    probes = ({"readinessProbe": {"httpGet": {"path": path, "port": 8080}}} for path in ("/ready", "/redy"))
    made = Failing(folder, (workload("1", **next(probes)),), (workload("1", **next(probes)),))
    pod = made.pod(running())
    made.event(f"Pod/{pod}", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", count=40)
    return made


@case("probe-kills", BACK, "livenessProbe")
def liveness_that_kills(folder: Path) -> Failing:
    probes = ({"livenessProbe": {"httpGet": {"path": "/", "port": port}}} for port in (8080, 9090))
    made = Failing(folder, (workload("1", **next(probes)),), (workload("2", **next(probes)),))
    pod = made.pod(crashed(137))
    made.event(f"Pod/{pod}", "Unhealthy", "Liveness probe failed: dial tcp 10.0.0.9:9090: connect: connection refused")
    made.event(f"Pod/{pod}", "Killing", "Container app failed liveness probe, will be restarted")
    return made


@case("cpu", BACK, "limits.cpu: 2 → 100m")
def too_little_cpu_for_the_startup_probe(folder: Path) -> Failing:
    limits = ({"resources": {"limits": {"cpu": cpu}}} for cpu in ("2", "100m"))
    made = Failing(folder, (workload("1", **next(limits)),), (workload("1", **next(limits)),))
    pod = made.pod(crashed(137))
    made.event(f"Pod/{pod}", "Unhealthy", "Startup probe failed: context deadline exceeded", count=30)
    made.event(f"Pod/{pod}", "Killing", "Container app failed startup probe, will be restarted")
    return made


@case("config-missing", BACK, "variable PAYMENT_URL")
def config_key_missing(folder: Path) -> Failing:
    old = workload("1", env=[{"name": "PAYMENT_URL", "value": "x"}, {"name": "LANG", "value": "en"}])
    made = Failing(folder, (old,), (workload("1", env=[{"name": "LANG", "value": "de"}]),))
    made.log(made.pod(crashed(1)), "Traceback (most recent call last):", "KeyError: 'PAYMENT_URL'", previous=True)
    return made


@case("config-missing", BACK, "image")
def config_that_only_the_new_code_wants(folder: Path) -> Failing:
    made = Failing(folder)
    line = "Could not resolve placeholder 'shop.region' in value \"${shop.region}\""
    made.log(made.pod(crashed(1)), line, previous=True)
    return made


@case("code-missing", BACK)
def module_missing(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "ModuleNotFoundError: No module named 'shop'", previous=True)
    return made


@case("port-in-use", BACK, "hostNetwork")
def port_in_use(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", pod={"hostNetwork": True}),))
    made.log(made.pod(crashed(1)), "listen tcp :8080: bind: address already in use", previous=True)
    return made


@case("read-only", BACK, "readOnlyRootFilesystem")
def read_only_file_system(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", securityContext={"readOnlyRootFilesystem": True}),))
    made.log(made.pod(crashed(1)), "OSError: [Errno 30] Read-only file system: '/tmp/x'", previous=True)
    return made


@case("permission", BACK, "runAsUser")
def permission_denied(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", pod={"securityContext": {"runAsUser": 1000}}),))
    made.log(made.pod(crashed(1)), "open /var/lib/app/data: permission denied", previous=True)
    return made


@case("denied", BACK, "policy.example.com")
def admission_webhook_denial(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", pod={"hostNetwork": True}),))
    message = 'Error creating: admission webhook "policy.example.com" denied the request: hostNetwork is not allowed'
    made.event(f"ReplicaSet/{NAME}-2", "FailedCreate", message)
    return made


@case("denied", BACK, "PodSecurity")
def pod_security(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", securityContext={"privileged": True}),))
    message = 'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged'
    made.event(f"ReplicaSet/{NAME}-2", "FailedCreate", message)
    return made


@case("native-crash", BACK, "SIGSEGV")
def segmentation_fault(folder: Path) -> Failing:
    made = Failing(folder)
    made.pod(crashed(139))
    return made


@case("ends", BACK)
def ends_by_itself(folder: Path) -> Failing:
    made = Failing(folder, SAME, (workload("1", args=["--version"]),))
    made.pod(crashed(0, "Completed"))
    return made


@case("unreachable", BACK, "variable DB_HOST")
def an_address_that_the_release_changed(folder: Path) -> Failing:
    env = ({"env": [{"name": "DB_HOST", "value": host}]} for host in ("db", "db2"))
    made = Failing(folder, (workload("1", **next(env)),), (workload("1", **next(env)),))
    made.log(made.pod(crashed(1)), "dial tcp 10.0.0.3:5432: connect: connection refused", previous=True)
    return made


# --- the schema ---


@case("hook", BACK, "Job/migrate")
def failing_migration_hook(folder: Path) -> Failing:
    failed = hook(phase="Failed")
    words = 'Upgrade "checkout-api" failed: pre-upgrade hooks failed: 1 error occurred: job migrate failed: BackoffLimitExceeded'
    made = Failing(folder, hooks=(failed,), status=RevisionStatus.FAILED, description=words)
    made.pod(running(ready=True), revision=1)
    pod = made.hook_pod("migrate", {"state": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026"}}})
    made.log(pod, 'ERROR: relation "orders" already exists', "migration 7 failed", container="migrate")
    return made


@case("unreachable", HOLD, "Job/migrate")
def hook_that_met_no_database(folder: Path) -> Failing:
    """It is the database that is to blame, not the migration."""
    made = Failing(folder, hooks=(hook(phase="Failed"),), status=RevisionStatus.FAILED)
    pod = made.hook_pod("migrate", {"state": {"terminated": {"exitCode": 1, "reason": "Error"}}})
    made.log(pod, "could not connect to server: Connection refused", container="migrate")
    return made


@case("schema-behind", BACK, "no proof that it ran")
def the_migration_never_ran(folder: Path) -> Failing:
    made = Failing(folder, hooks=(hook(started=None),))
    made.pod(running(ready=True), revision=1)
    made.log(made.pod(crashed(1)), 'ERROR: column "discount" does not exist', previous=True)
    return made


@case("schema-behind", BACK)
def green_pods_that_miss_a_column(folder: Path) -> Failing:
    made = Failing(folder, hooks=(hook(started=None),))
    made.log(made.pod(running(ready=True)), 'ERROR: column "discount" does not exist')
    return made


@case("schema-ahead", FORWARD, "revision 1 meets newer data")
def old_pods_meet_a_newer_schema(folder: Path) -> Failing:
    made = Failing(folder, hooks=(hook(phase="Succeeded"),))
    made.pod(running(ready=True))
    made.log(made.pod(crashed(1), revision=1), 'ERROR: column "price" does not exist', previous=True)
    return made


@case("schema-ahead", FORWARD, "newer data")
def a_restored_revision_meets_a_newer_schema(folder: Path) -> Failing:
    made = Failing(folder)
    made.restore()
    made.log(made.pod(crashed(1), revision=1), "Unknown column 'price' in 'field list'", previous=True)
    return made


@case("schema-ahead", FORWARD)
def alembic_does_not_know_the_database(folder: Path) -> Failing:
    made = Failing(folder)
    made.restore()
    made.log(made.pod(crashed(1), revision=1), "Can't locate revision identified by 'ae10'", previous=True)
    return made


@case("schema-lost", HOLD, "another revision show the same")
def both_revisions_miss_the_column(folder: Path) -> Failing:
    """Somebody changed the database beside both."""
    made = Failing(folder)
    for number in (1, 2):
        made.log(made.pod(crashed(1), revision=number), 'ERROR: column "price" does not exist', previous=True)
    return made


@case("migration-dirty", FORWARD)
def dirty_database(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "Dirty database version 7. Fix and force version", previous=True)
    return made


# --- platform and dependencies: HOLD ---


@case("unreachable", HOLD)
def dependency_down(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "psycopg2.OperationalError: Connection refused", previous=True)
    made.log(made.pod(crashed(1), revision=1), "psycopg2.OperationalError: Connection refused", previous=True)
    return made


@case("name-unknown", HOLD, "db.prod")
def dns_failure(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "dial tcp: lookup db.prod on 10.0.0.10:53: no such host", previous=True)
    return made


@case("credentials", HOLD)
def credentials_after_a_rotation(folder: Path) -> Failing:
    made = Failing(folder, (workload("1", **NEEDS_SECRET),), (workload("2", **NEEDS_SECRET),))
    made.cluster.put(thing("Secret", "db", data={"url": "cG9zdGdyZXM6Ly94"}))
    made.log(made.pod(crashed(1)), 'FATAL: password authentication failed for user "shop"', previous=True)
    return made


@case("credentials", BACK, "Secret/db")
def credentials_that_the_release_changed(folder: Path) -> Failing:
    sides = ((workload("1", **NEEDS_SECRET), thing("Secret", "db", data={"url": each})) for each in ("YQ==", "Yg=="))
    made = Failing(folder, next(sides), next(sides))
    made.log(made.pod(crashed(1)), 'FATAL: password authentication failed for user "shop"', previous=True)
    return made


@case("certificate", HOLD)
def expired_certificate(folder: Path) -> Failing:
    made = Failing(folder)
    line = "x509: certificate has expired or is not yet valid: current time is after 2025-12-31T00:00:00Z"
    made.log(made.pod(crashed(1)), line, previous=True)
    return made


@case("disk-full", HOLD)
def full_disk(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "OSError: [Errno 28] No space left on device", previous=True)
    return made


@case("saturated", HOLD)
def no_connection_left(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(1)), "FATAL: sorry, too many clients already", previous=True)
    return made


@case("registry-down", HOLD)
def registry_down(folder: Path) -> Failing:
    made = Failing(folder)
    pod = made.pod(waiting("ImagePullBackOff", 'Back-off pulling image "shop/checkout-api:2"'))
    made.event(f"Pod/{pod}", "Failed", 'Failed to pull image "shop/checkout-api:2": dial tcp 10.1.1.1:443: i/o timeout')
    return made


@case("node", HOLD, "Ready is False: runtime is down; no other takes Pod/checkout-api-2-a")
def a_node_that_is_not_ready_takes_no_pod(folder: Path) -> Failing:
    """A scheduler names no taint: the node of the pods that still run tells."""
    made = Failing(folder)
    ready = [{"type": "Ready", "status": "False", "message": "runtime is down"}]
    made.cluster.put(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"conditions": ready}}
    )
    made.pod(running(ready=True), revision=1)
    message = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    name = made.pod({}, phase="Pending", conditions=[unplaced])
    found = made.cluster.find("Pod", name, "prod")
    assert found
    made.cluster.put({**found, "spec": {**found["spec"], "nodeName": ""}})
    return made


@case("node", HOLD, "DiskPressure")
def node_under_pressure(folder: Path) -> Failing:
    made = Failing(folder)
    conditions = [{"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"}]
    made.cluster.put(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"conditions": conditions}}
    )
    made.pod({}, phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage.")
    return made


@case("crash", BACK)
def a_crash_on_a_bad_and_on_a_good_node(folder: Path) -> Failing:
    made = Failing(folder)
    for name, status in (("node-1", "False"), ("node-2", "True")):
        ready = [{"type": "Ready", "status": status, "message": "kubelet stopped posting"}]
        made.cluster.put(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": ready}}
        )
    made.pod(crashed(1))
    other = made.pod(crashed(1), suffix="b")
    found = made.cluster.find("Pod", other, "prod")
    assert found
    made.cluster.put({**found, "spec": {**found["spec"], "nodeName": "node-2"}})
    return made


@case("quota", HOLD, "compute")
def quota_that_others_use_up(folder: Path) -> Failing:
    made = Failing(folder)
    message = 'Error creating: pods "x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10'
    made.event(f"ReplicaSet/{NAME}-2", "FailedCreate", message)
    return made


@case("quota", BACK, "limits.memory: 1Gi → 64Gi")
def quota_that_the_release_needs_more_of(folder: Path) -> Failing:
    limits = ({"resources": {"limits": {"memory": size}}} for size in ("1Gi", "64Gi"))
    made = Failing(folder, (workload("1", **next(limits)),), (workload("2", **next(limits)),))
    message = 'pods "x" is forbidden: exceeded quota: compute, requested: limits.memory=64Gi, used: 2Gi, limited: 8Gi'
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    found = made.cluster.find("ReplicaSet", f"{NAME}-2", "prod")
    assert found
    made.cluster.put({**found, "status": {"conditions": [condition]}})
    return made


@case("no-room", HOLD)
def no_room(folder: Path) -> Failing:
    made = Failing(folder)
    message = "0/3 nodes are available: 3 Insufficient memory."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made.pod({}, phase="Pending", conditions=[condition])
    return made


@case("claim-pending", HOLD, "data")
def pending_claim(folder: Path) -> Failing:
    volume = {"pod": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}
    made = Failing(folder, (workload("1", **volume),), (workload("2", **volume),))
    made.cluster.put(thing("PersistentVolumeClaim", "data", status={"phase": "Pending"}))
    made.pod({}, phase="Pending")
    return made


@case("volume-held", HOLD)
def volume_on_another_node(folder: Path) -> Failing:
    made = Failing(folder)
    pod = made.pod(waiting("ContainerCreating"))
    message = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) checkout-api-1-a'
    made.event(f"Pod/{pod}", "FailedAttachVolume", message)
    return made


@case("webhook-down", HOLD)
def webhook_down(folder: Path) -> Failing:
    made = Failing(folder)
    message = 'Error creating: Internal error occurred: failed calling webhook "inject.mesh.io": connection refused'
    made.event(f"ReplicaSet/{NAME}-2", "FailedCreate", message)
    return made


# --- several things at once ---


@case("crash", BACK)
def a_retry_before_a_crash_of_its_own(folder: Path) -> Failing:
    made = Failing(folder)
    lines = (
        "dial tcp 10.0.0.3:5432: connect: connection refused, trying again",
        "connected",
        "panic: assignment to entry in nil map",
    )
    made.log(made.pod(crashed(2)), *lines, previous=True)
    return made


@case("unreachable", HOLD)
def a_traceback_that_ends_with_the_database(folder: Path) -> Failing:
    made = Failing(folder)
    lines = ("Traceback (most recent call last):", "psycopg2.OperationalError: Connection refused")
    made.log(made.pod(crashed(1)), *lines, previous=True)
    return made


@case("unreachable", HOLD)
def liveness_kills_what_waits_for_its_database(folder: Path) -> Failing:
    made = Failing(folder)
    pod = made.pod(crashed(137))
    made.event(f"Pod/{pod}", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")
    made.event(f"Pod/{pod}", "Killing", "Container app failed liveness probe, will be restarted")
    made.log(pod, *["ERROR db: connect: connection refused"] * 30, previous=True)
    return made


@case("crash", BACK)
def a_sidecar_that_is_well_and_noisy(folder: Path) -> Failing:
    made = Failing(folder)
    pod = made.pod(crashed(1))
    found = made.cluster.find("Pod", pod, "prod")
    assert found
    found["status"]["containerStatuses"].append({"name": "istio-proxy", **running(ready=True)})
    made.cluster.put(found)
    made.log(pod, "upstream connect error: connection refused", container="istio-proxy")
    return made


@case("unreachable", BACK, "variable DB_HOST")
def old_pods_that_serve_and_retry_now_and_then(folder: Path) -> Failing:
    made = an_address_that_the_release_changed(folder)
    made.log(made.pod(running(ready=True), revision=1), "dial tcp 10.0.0.3:5432: connect: connection refused")
    return made


@case("out-of-memory", BACK)
def memory_and_a_dependency(folder: Path) -> Failing:
    made = Failing(folder)
    made.log(made.pod(crashed(137, "OOMKilled")), "WARN cache: connection refused", previous=True)
    return made


@pytest.mark.parametrize("name", CASES)
def test_the_true_cause_comes_first(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    told = case.build(tmp_path).judge()
    assert told.suspicions, told.sentence
    first = told.suspicions[0]
    words = " ".join((first.title, first.direction, first.where, *first.evidence, *first.explained))
    assert (first.cause, first.advice) == (case.cause, case.advice), [each.to_json() for each in told.suspicions]
    assert case.says in words, words
    assert len(told.suspicions) <= 3
    assert first.evidence
    assert told.advice is case.advice


def test_every_cause_has_a_title_that_reads() -> None:
    for row in CAUSES.values():
        assert row.title.count("{}") <= 1


def test_a_release_that_is_well_has_no_suspicion(tmp_path: Path) -> None:
    made = Failing(tmp_path)
    made.log(made.pod(running(ready=True)), "GET / 200")
    told = made.judge()
    assert told.suspicions == ()
    assert told.advice is None
    assert "no pod of the release is in trouble" in told.sentence


@pytest.mark.parametrize(("env", "revision"), [("one", 1), ("two", 2), ("elsewhere", 2)])
def test_a_pod_without_a_replica_set_belongs_where_its_template_fits(tmp_path: Path, env: str, revision: int) -> None:
    """As those of StatefulSets and DaemonSets; what fits none of them well belongs to the one that it fits best."""
    sides = []
    for value in ("one", "two"):
        obj = workload("1", env=[{"name": "MODE", "value": value}])
        obj["kind"] = "StatefulSet"
        sides.append((obj,))
    made = Failing(tmp_path, *sides)
    pod = thing(
        "Pod", f"{NAME}-0", spec=workload("1", env=[{"name": "MODE", "value": env}])["spec"]["template"]["spec"]
    )
    pod["metadata"]["labels"] = {"app": NAME}
    pod["status"] = {"phase": "Running", "containerStatuses": [{"name": "app", **crashed(1)}]}
    made.cluster.put(pod)
    (row,) = made.inquire().body["pods"]
    assert (row["workload"], row["revision"]) == (f"StatefulSet/{NAME}", revision)


def test_a_pod_of_a_foreign_image_belongs_to_no_revision(tmp_path: Path) -> None:
    made = Failing(tmp_path)
    found = made.cluster.find("Pod", made.pod(crashed(1)), "prod")
    sets = made.cluster.find("ReplicaSet", f"{NAME}-2", "prod")
    assert found
    assert sets
    for obj, spec in ((found, found["spec"]), (sets, sets["spec"]["template"]["spec"])):
        spec["containers"][0]["image"] = "shop/other:9"
        made.cluster.put(obj)
    assert made.inquire().body["pods"][0]["revision"] == 0


def test_two_workloads_have_a_suspicion_each(tmp_path: Path) -> None:
    """The vague state of one is not explained by the clear cause of the other."""
    made = Failing(tmp_path, (workload("1"), workload("1", "worker")), (workload("2"), workload("2", "worker")))
    made.pod(crashed(1))
    made.pod(crashed(137, "OOMKilled"), name="worker")
    told = made.judge()
    assert {(each.cause, each.where) for each in told.suspicions} == {
        ("out-of-memory", "Deployment/worker"),
        ("crash", WORKLOAD),
    }
