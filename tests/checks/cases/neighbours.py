"""Worlds of routes, owners, hooks, migrations, drift and capacity."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from helm_safe.core.objects import Object
from helm_safe.model.settings import NativeOptions, Settings
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import (
    World,
    container,
    deployment,
    fires,
    hook,
    live_secret,
    obj,
    pod,
    quiet,
    revision,
    secret,
    service,
    world,
)


def route(*weights: tuple[str, object]) -> Object:
    backends = [{"name": name, "port": 80, **({} if w is None else {"weight": w})} for name, w in weights]
    return obj("HTTPRoute", "web", "gateway.networking.k8s.io", spec={"rules": [{"backendRefs": backends}]})


HALVES = route(("web", 50), ("web-next", 50))


@fires("TRAFFIC-001", severity="warning", object="HTTPRoute/web", says="web 50 %, web-next 50 %", evidence="revision 1")
def the_target_splits_in_halves() -> Snapshot:
    return world([service(), HALVES]).snapshot()


@fires("TRAFFIC-001", severity="warning", evidence="the live route")
def a_live_route_splits_in_halves() -> Snapshot:
    return world([service()], live=[route(("web", None), ("web-next", None))]).snapshot()


@fires("TRAFFIC-001", object="VirtualService/web", says="web/v1-stable 50 %, web/v1-rollback 50 %")
def subsets_of_one_service_share_evenly() -> Snapshot:
    """The mesh sends half of the users to the pods that were just rolled back."""
    subsets = [
        {"destination": {"host": "web.prod.svc.cluster.local", "subset": name}, "weight": 50}
        for name in ("v1-stable", "v1-rollback")
    ]
    mesh = obj("VirtualService", "web", "networking.istio.io", spec={"hosts": ["web"], "http": [{"route": subsets}]})
    return world([service()], live=[mesh]).snapshot()


def ingress(name: str, backend: str, **annotations: str) -> Object:
    paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": backend, "port": {"number": 80}}}}]
    marks = {f"nginx.ingress.kubernetes.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    spec = {"ingressClassName": "nginx", "rules": [{"host": "web.example", "http": {"paths": paths}}]}
    return obj("Ingress", name, "networking.k8s.io", annotations=marks, spec=spec)


@fires("TRAFFIC-001", object="Ingress/web-next", says="web 60 %, web-next 40 %")
def a_canary_ingress_has_a_large_share() -> Snapshot:
    """ingress-nginx: the weight stands in the annotations of a second Ingress."""
    canary = ingress("web-next", "web-next", canary="true", canary_weight="40")
    return world([service(), ingress("web", "web")], live=[canary]).snapshot()


@quiet("TRAFFIC-001")
def a_canary_ingress_with_little() -> Snapshot:
    canary = ingress("web-next", "web-next", canary="true", canary_weight="5", canary_weight_total="1000")
    return world([service(), ingress("web", "web")], live=[canary]).snapshot()


@fires("TRAFFIC-001", severity="error", says="a migration may stand between")
def halves_with_a_migration_between() -> Snapshot:
    base = world([service(), HALVES])
    return base._replace(current=replace(base.current, hooks=(hook("migrate", "pre-upgrade"),))).snapshot()


@quiet("TRAFFIC-001")
def a_canary_step() -> Snapshot:
    return world([service(), route(("web", 90), ("web-next", 10))]).snapshot()


@quiet("TRAFFIC-001")
def one_backend_has_all() -> Snapshot:
    return world([service(), route(("web", 1), ("web-next", 0))]).snapshot()


@quiet("TRAFFIC-001")
def somebody_elses_services() -> Snapshot:
    return world([service("other"), HALVES]).snapshot()


@fires("OWN-001", severity="error", object="Application/shop", says="Argo CD", evidence="tracking-id")
def argo_cd_owns_it() -> Snapshot:
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web"}
    web = deployment()
    live = {**web, "metadata": {**web["metadata"], "annotations": marks}}
    return world([web], live=[live]).snapshot()


def fluxed(*, suspended: bool) -> Snapshot:
    web = obj("ConfigMap", "a", labels={"helm.toolkit.fluxcd.io/name": "shop"})
    release = obj("HelmRelease", "shop", "helm.toolkit.fluxcd.io", spec={"suspend": suspended})
    return world([web], live=[web, release]).snapshot()


@fires("OWN-001", severity="error", object="HelmRelease/shop", says="will undo the rollback")
def flux_owns_it() -> Snapshot:
    return fluxed(suspended=False)


@fires("OWN-001", severity="info", says="suspended")
def flux_is_suspended() -> Snapshot:
    return fluxed(suspended=True)


@quiet("OWN-001", "OWN-002", "OWN-003")
def nobody_else_owns_it() -> Snapshot:
    other = obj("Canary", "other", "flagger.app", spec={"targetRef": {"kind": "Deployment", "name": "other"}})
    return world([deployment()], live=[deployment(), other]).snapshot()


@fires("OWN-002", severity="error", object="Canary/web", says="Flagger drives Deployment/web")
def flagger_drives_it() -> Snapshot:
    canary = obj("Canary", "web", "flagger.app", spec={"targetRef": {"kind": "Deployment", "name": "web"}})
    return world([deployment()], live=[deployment(), canary]).snapshot()


@fires("OWN-002", object="Rollout/web", says="Argo Rollouts")
def a_rollout_in_the_chart() -> Snapshot:
    return world([deployment(kind="Rollout", group="argoproj.io")]).snapshot()


@fires("OWN-003", severity="error", object="CloneSet/web", says="OpenKruise")
def a_clone_set_in_the_chart() -> Snapshot:
    return world([deployment(kind="CloneSet", group="apps.kruise.io")]).snapshot()


@fires("OWN-003", object="Rollout/web", says="drives Deployment/web")
def a_kruise_rollout_drives_it() -> Snapshot:
    rollout = obj("Rollout", "web", "rollouts.kruise.io", spec={"workloadRef": {"kind": "Deployment", "name": "web"}})
    return world([deployment()], live=[rollout]).snapshot()


def with_hook(*events: str, pod_spec: Object | None = None, extra: tuple[Object, ...] = ()) -> World:
    job = deployment("undo", replicas=None, kind="Job", group="batch", pod=pod_spec)
    target = revision(1, deployment(), *extra, hooks=(hook("undo", *events, objects=[job]),))
    return World(world([deployment()]).current, target)


@fires("HOOK-001", severity="info", object="Job/undo", says="as pre-rollback hook", evidence="image registry.example")
def a_hook_is_shown() -> Snapshot:
    return with_hook("pre-rollback").snapshot()


SETTINGS = {"serviceAccountName": "undo"}


@fires("HOOK-001", times=2, worst="error", says="runs Job/undo")
def a_hook_needs_an_account() -> Snapshot:
    return with_hook("pre-rollback", pod_spec=SETTINGS).snapshot()


@fires("HOOK-001", times=2, worst="error")
def a_pre_rollback_hook_comes_before_the_targets_objects() -> Snapshot:
    account = obj("ServiceAccount", "undo")
    return with_hook("pre-rollback", pod_spec=SETTINGS, extra=(account,)).snapshot()


@fires("HOOK-001", times=1, severity="info")
def a_post_rollback_hook_comes_after_them() -> Snapshot:
    account = obj("ServiceAccount", "undo")
    return with_hook("post-rollback", pod_spec=SETTINGS, extra=(account,)).snapshot()


@fires("HOOK-001", times=2, worst="error")
def a_hooks_image_cannot_be_pulled() -> Snapshot:
    waiting = {"name": "app", "state": {"waiting": {"reason": "ErrImagePull"}}}
    base = with_hook("pre-rollback")
    return base._replace(live=(pod(containerStatuses=[waiting]),)).snapshot()


@quiet("HOOK-001")
def upgrade_hooks_do_not_run() -> Snapshot:
    return with_hook("pre-upgrade", "test").snapshot()


@quiet("HOOK-001")
def no_hooks_wanted() -> Snapshot:
    return with_hook("pre-rollback").snapshot(settings=Settings(native=NativeOptions(no_hooks=True)))


def migrated(ran_hours_ago: int | None = None) -> Snapshot:
    base = world([deployment()])
    deployed = base.current.deployed_at
    assert deployed is not None
    began = None if ran_hours_ago is None else deployed - timedelta(hours=ran_hours_ago)
    return base._replace(
        current=replace(base.current, hooks=(hook("migrate", "pre-upgrade", started_at=began, phase="Succeeded"),))
    ).snapshot()


@fires("DB-UNK-001", severity="warning", object="Job/migrate", evidence="Succeeded")
def a_migration_hook_ran() -> Snapshot:
    return migrated(0)


@fires("DB-UNK-001", evidence="no proof that it ran with this revision")
def a_copied_run_proves_nothing() -> Snapshot:
    return migrated(30)


@fires("DB-UNK-001", object="Job/web-migrate-2")
def a_plain_migration_job() -> Snapshot:
    job = deployment("web-migrate-2", replicas=None, kind="Job", group="batch")
    return world([deployment()], [deployment(), job]).snapshot()


@fires("DB-UNK-001", evidence="revision 2")
def a_revision_in_between_migrated() -> Snapshot:
    between = revision(2, hooks=(hook("migrate", "post-upgrade"),))
    return World(revision(3), revision(1)).snapshot(older=(between,))


@quiet("DB-UNK-001")
def the_same_hook_in_both() -> Snapshot:
    base = world([deployment()])
    same = (hook("migrate", "pre-upgrade"),)
    return World(replace(base.current, hooks=same), replace(base.target, hooks=same)).snapshot()


@fires("CRD-002", severity="warning", says="2 CRD files", evidence="crds/b.yaml: only in the current revision")
def crd_files_differ() -> Snapshot:
    base = world()
    current = replace(base.current, crds={"crds/a.yaml": "2", "crds/b.yaml": "1"})
    return World(current, replace(base.target, crds={"crds/a.yaml": "1"})).snapshot()


@quiet("CRD-002")
def crd_files_are_the_same() -> Snapshot:
    base = world()
    same = {"crds/a.yaml": "1"}
    return World(replace(base.current, crds=same), replace(base.target, crds=same)).snapshot()


def limited(cpu: object, **spec: object) -> Object:
    return deployment("web", container(resources={"limits": {"cpu": cpu}}), **spec)


@fires("DRIFT-001", severity="warning", object="Deployment/web", evidence="containers[app].resources.limits.cpu")
def somebody_raised_a_limit() -> Snapshot:
    return world([limited("500m")], live=[limited("2")]).snapshot()


@fires("DRIFT-001", says="no longer exists; the rollback creates it again")
def somebody_deleted_it() -> Snapshot:
    return world([obj("ConfigMap", "a")], live=[]).snapshot()


@quiet("DRIFT-001")
def defaults_spellings_and_replicas_are_no_drift() -> Snapshot:
    stated = limited("500m", paused=False)
    seen = limited(0.5, replicas=9, progressDeadlineSeconds=600)
    seen["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
    return world([stated, secret(a="1")], live=[seen, live_secret(a="1")]).snapshot()


@quiet("DRIFT-001")
def nobody_listed_it() -> Snapshot:
    return world([obj("ConfigMap", "a")], live=[]).snapshot(listed=frozenset())


def quota(**hard: str) -> Object:
    used = {"pods": "3", "requests.memory": "1Gi"}
    limits = {name.replace("_", "."): value for name, value in hard.items()}
    return obj("ResourceQuota", "small", status={"hard": limits, "used": used})


BIG = container(resources={"requests": {"memory": "1Gi"}})


@fires("CAP-001", severity="warning", object="ResourceQuota/small", says="requests.memory", evidence="added")
def the_target_needs_more_memory() -> Snapshot:
    live = [deployment(), quota(requests_memory="2Gi")]
    return world([deployment("web", BIG)], [deployment()], live).snapshot()


@fires("CAP-001", says="pods 3 of 3 is used and the rollback adds up to 1")
def no_room_for_the_surge() -> Snapshot:
    changed = deployment("web", container(image="registry.example/shop:2"))
    return world([deployment()], [changed], [changed, quota(pods="3")]).snapshot()


@quiet("CAP-001")
def room_enough() -> Snapshot:
    live = [deployment(), quota(requests_memory="20Gi", pods="30")]
    return world([deployment("web", BIG)], [deployment()], live).snapshot()


@quiet("CAP-001")
def nothing_is_replaced() -> Snapshot:
    return world([deployment()], live=[deployment(), quota(pods="3")]).snapshot()


def budget(**spec: object) -> Object:
    return obj("PodDisruptionBudget", "web", "policy", spec={"selector": {"matchLabels": {"app": "web"}}, **spec})


@fires("PDB-001", severity="info", object="PodDisruptionBudget/web", evidence="maxUnavailable: 0")
def a_budget_of_nothing() -> Snapshot:
    return world([deployment()], live=[budget(maxUnavailable=0)]).snapshot()


@fires("PDB-001", evidence="minAvailable: 100%")
def a_budget_of_everything() -> Snapshot:
    return world([deployment()], live=[budget(minAvailable="100%")]).snapshot()


@quiet("PDB-001")
def a_sane_budget() -> Snapshot:
    return world([deployment()], live=[budget(maxUnavailable=1)]).snapshot()
