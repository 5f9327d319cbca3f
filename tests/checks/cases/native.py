"""Worlds of what the API server and the native rollback would refuse or delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.revisions import Hook
from helm_safe.model.settings import NativeOptions, Settings
from helm_safe.model.snapshot import DryRun, Served, Snapshot
from tests.checks.world import HELM3, HELM4, World, container, deployment, fires, hook, obj, quiet, ref, served, world

WEB = ref("Deployment", "web", "apps")


@quiet("API-REM-001", "DRY-001", "IMM-001", "SSA-001", "CLIENT-001", "STS-IMM-001", "RBAC-001")
def everything_accepted() -> Snapshot:
    answers = {WEB: DryRun(200)}
    return world([deployment()]).snapshot(dry_run=answers, permitted={"patch deployments.apps": True})


@fires("API-REM-001", severity="error", says="policy/v1beta1 PodDisruptionBudget", evidence="served instead: policy/v1")
def removed_version() -> Snapshot:
    old = {**obj("PodDisruptionBudget", "web", "policy"), "apiVersion": "policy/v1beta1"}
    return world([old], []).snapshot(served=served(obj("PodDisruptionBudget", "x", "policy")))


@fires("API-REM-001", says="example.org/v1 Widget", evidence="hook migrate")
def removed_kind_in_a_rollback_hook() -> Snapshot:
    widget = obj("Widget", "w", "example.org")
    changed = _with_hooks(world([], [deployment()]), hook("migrate", "pre-rollback", objects=[widget]))
    return changed.snapshot(served=served(deployment()))


@quiet("API-REM-001")
def removed_kind_in_an_upgrade_hook() -> Snapshot:
    widget = obj("Widget", "w", "example.org")
    changed = _with_hooks(world([], [deployment()]), hook("migrate", "pre-upgrade", objects=[widget]))
    return changed.snapshot(served=served(deployment()))


@fires("API-REM-001", status="unverified", says="gave no answer")
def discovery_failed() -> Snapshot:
    return world([deployment()]).snapshot(served=Served({}))


@fires("API-REM-001", status="unverified", says="its API group does not answer")
def one_group_is_down() -> Snapshot:
    metric = obj("PodMetrics", "m", "metrics.k8s.io")
    return world([metric], []).snapshot(served=served(deployment(), failed=("metrics.k8s.io",)))


def _with_hooks(base: World, *hooks: Hook) -> World:
    return base._replace(target=replace(base.target, hooks=hooks))


def dry(status: int, message: str = "", **fields: Any) -> Snapshot:
    return world([deployment()]).snapshot(dry_run={WEB: DryRun(status, message=message, **fields)})


@fires("DRY-001", severity="error", object="Deployment/web", says="a quota would be exceeded")
def quota_exceeded() -> Snapshot:
    return dry(403, 'deployments "web" is forbidden: exceeded quota: small')


@fires("DRY-001", says="an admission webhook denies it")
def webhook_denies() -> Snapshot:
    return dry(400, 'admission webhook "policy.example" denied the request: no latest')


@fires("DRY-001", status="unverified", evidence="does not support dry run")
def webhook_without_dry_run() -> Snapshot:
    return dry(400, 'admission webhook "x" does not support dry run')


@fires("DRY-001", status="unverified", evidence="no answer")
def no_answer() -> Snapshot:
    return dry(0)


@fires("DRY-001", status="unverified", says="1 of 1 objects of revision 1 had no dry run", evidence="Deployment/web")
def dry_run_not_asked() -> Snapshot:
    return world([deployment()]).snapshot()


@quiet("DRY-001")
def immutable_has_its_own_check() -> Snapshot:
    return dry(422, "spec.selector: Invalid value: field is immutable")


@fires("IMM-001", severity="error", object="Deployment/web", evidence="field is immutable")
def selector_is_immutable() -> Snapshot:
    return dry(422, "spec.selector: Invalid value: field is immutable")


def job(image: str) -> Object:
    return deployment("migrate", container(image=image), kind="Job", group="batch", replicas=None)


@fires("IMM-001", object="Job/migrate", evidence="changed: spec.template")
def job_template_without_dry_run() -> Snapshot:
    return world([job("a:1")], [job("a:2")]).snapshot()


@quiet("IMM-001")
def recreated_on_request() -> Snapshot:
    return world([job("a:1")], [job("a:2")]).snapshot(settings=Settings(recreate=frozenset({"Job/migrate"})))


@fires("IMM-001", object="Secret/keys", evidence="changed: data")
def immutable_secret() -> Snapshot:
    one, two = obj("Secret", "keys", data={"a": "MQ=="}), obj("Secret", "keys", data={"a": "Mg=="}, immutable=True)
    return world([one], [two]).snapshot()


def database(size: str = "1Gi", **spec: Any) -> Object:
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return deployment("db", kind="StatefulSet", volumeClaimTemplates=[claim], **spec)


@fires("STS-IMM-001", severity="error", object="StatefulSet/db", evidence="changed: spec.volumeClaimTemplates")
def claim_template_grew() -> Snapshot:
    return world([database("1Gi")], [database("2Gi")]).snapshot()


@quiet("STS-IMM-001")
def other_spellings_and_defaults() -> Snapshot:
    return world([database("1Gi")], [database("1024Mi", podManagementPolicy="OrderedReady")]).snapshot()


@quiet("STS-IMM-001", "IMM-001")
def statefulset_recreated() -> Snapshot:
    settings = Settings(recreate=frozenset({"StatefulSet/db"}))
    return world([database("1Gi")], [database("2Gi")]).snapshot(settings=settings)


def conflict(manager: str, **settings: Any) -> Snapshot:
    base = world([deployment()])
    base = base._replace(
        target=replace(base.target, apply_method="ssa"), current=replace(base.current, apply_method="ssa")
    )
    answers = {WEB: DryRun(409, conflicts=((manager, ".spec.replicas"),))}
    return base.snapshot(dry_run=answers, helm=HELM4, settings=Settings(native=NativeOptions(**settings)))


@fires("SSA-001", severity="error", object="Deployment/web", evidence=".spec.replicas is owned by kubectl")
def kubectl_scaled_it() -> Snapshot:
    return conflict("kubectl")


@quiet("SSA-001")
def own_manager() -> Snapshot:
    return conflict("helm")


@quiet("SSA-001", "CLIENT-001")
def conflicts_are_forced() -> Snapshot:
    return conflict("kubectl", force_conflicts=True)


@quiet("SSA-001")
def helm3_applies_client_side() -> Snapshot:
    return replace(conflict("kubectl"), helm=HELM3)


@quiet("SSA-001")
def client_side_apply() -> Snapshot:
    return conflict("kubectl", server_side="false")


@fires("CLIENT-001", severity="error", says="--force-conflicts does not exist in Helm v3.22.0")
def helm3_with_a_flag_of_helm4() -> Snapshot:
    return world().snapshot(settings=Settings(native=NativeOptions(force_conflicts=True)))


@fires("CLIENT-001", severity="error", says="--force-replace is impossible")
def replace_with_server_side() -> Snapshot:
    return conflict("helm", force_replace=True)


@fires("CLIENT-001", severity="warning", says="Helm 3 rolls back a release of Helm 4")
def helm3_on_a_release_of_helm4() -> Snapshot:
    base = world()
    return base._replace(current=replace(base.current, apply_method="ssa")).snapshot()


@fires("RBAC-001", severity="error", object="secrets", says="may not delete secrets in namespace prod")
def pruning_forbidden() -> Snapshot:
    return world().snapshot(permitted={"delete secrets": False, "create secrets": True})


def removing(*lost: Object, **fields: Any) -> Snapshot:
    return world([deployment()], [deployment(), *lost]).snapshot(**fields)


CRD = obj("CustomResourceDefinition", "widgets.example.org", "apiextensions.k8s.io")
CLAIM = obj("PersistentVolumeClaim", "data", spec={"volumeName": "pv-1", "resources": {"requests": {"storage": "2Gi"}}})
VOLUME = obj("PersistentVolume", "pv-1", spec={"persistentVolumeReclaimPolicy": "Delete"})
KEEP = {"helm.sh/resource-policy": "keep"}


@fires("CRD-DEL-001", severity="error", object="CustomResourceDefinition/widgets.example.org")
def crd_in_templates() -> Snapshot:
    return removing(CRD)


@fires("NS-DEL-001", severity="error", object="Namespace/extra")
def namespace_goes() -> Snapshot:
    return removing(obj("Namespace", "extra"))


@fires("STS-DEL-001", severity="error", object="StatefulSet/db")
def statefulset_goes() -> Snapshot:
    return removing(database())


@fires("PVC-DEL-001", severity="error", object="PersistentVolumeClaim/data", says="the data is destroyed")
def claim_goes() -> Snapshot:
    return world([deployment()], [deployment(), CLAIM], [CLAIM, VOLUME]).snapshot()


@fires("PVC-DEL-001", object="StatefulSet/db", says="with it the claims of its pods")
def statefulset_takes_claims_along() -> Snapshot:
    return removing(database(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}))


@fires("DEL-001", severity="warning", says="deletes 2 objects", evidence="ConfigMap/b")
def small_things_go() -> Snapshot:
    return removing(obj("ConfigMap", "a"), obj("ConfigMap", "b"))


@quiet("CRD-DEL-001", "NS-DEL-001", "STS-DEL-001", "PVC-DEL-001", "DEL-001")
def live_objects_are_kept() -> Snapshot:
    lost = [CRD, CLAIM, obj("Namespace", "extra"), database(), obj("ConfigMap", "a")]
    live = [{**each, "metadata": {**each["metadata"], "annotations": KEEP}} for each in lost]
    return world([deployment()], [deployment(), *lost], live).snapshot()


@fires("DEL-001", object="ConfigMap/a")
def keep_in_the_manifest_only() -> Snapshot:
    """Helm goes by the live object."""
    return world([], [obj("ConfigMap", "a", annotations=KEEP)], [obj("ConfigMap", "a")]).snapshot()


@quiet("DEL-001", "CRD-DEL-001")
def gone_already() -> Snapshot:
    return world([], [obj("ConfigMap", "a"), CRD], []).snapshot()


@fires("PVC-SHR-001", severity="error", object="PersistentVolumeClaim/data", says="wants 1Gi", evidence="live: 2Gi")
def claim_was_enlarged() -> Snapshot:
    smaller = obj("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": "1Gi"}}})
    return world([smaller], [CLAIM]).snapshot()


@quiet("PVC-SHR-001")
def same_size_spelled_otherwise() -> Snapshot:
    same = obj("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": "2048Mi"}}})
    return world([same], [CLAIM]).snapshot()
