"""Facts that several checks read off a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from helm_safe.checks.base import AUTOSCALER, POD, SCALED_OBJECT, SERVICE
from helm_safe.core.annotations import KEEP_POLICY
from helm_safe.core.differences import differences
from helm_safe.core.objects import (
    Object,
    ObjectRef,
    annotations_of,
    dig,
    labels_of,
    mapping,
    name_of,
    namespace_of,
    selects,
    sequence,
)
from helm_safe.core.workloads import WorkloadKind, pod_selector, pod_template, template_labels, workload_of
from helm_safe.model.changes import kept
from helm_safe.model.revisions import Hook, Revision
from helm_safe.model.snapshot import Snapshot

ROLLBACK_EVENTS = ("pre-rollback", "post-rollback")
UPGRADE_EVENTS = ("pre-upgrade", "post-upgrade")


class Workload(NamedTuple):
    """A workload of a revision."""

    ref: ObjectRef
    obj: Object
    kind: WorkloadKind

    @property
    def template(self) -> Object:
        return pod_template(self.obj)


def workloads(revision: Revision, *, long_running: bool = False) -> Iterator[Workload]:
    """The objects of a revision that own pods; only those whose pods stay, where asked."""
    for ref, obj in revision.objects.items():
        kind = workload_of(obj)
        if kind and (kind.long_running or not long_running):
            yield Workload(ref, obj, kind)


class Pods:
    """The live pods of a snapshot, found by what a workload selects without a look at each."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_label: dict[tuple[str, str, str], list[Object]] = {}
        self._by_namespace: dict[str, list[Object]] = {}
        for ref, pod in snapshot.live.items():
            if (ref.group, ref.kind) == POD:
                self._by_namespace.setdefault(ref.namespace, []).append(pod)
                for key, value in labels_of(pod).items():
                    self._by_label.setdefault((ref.namespace, str(key), str(value)), []).append(pod)

    def of(self, workload: Workload) -> list[Object]:
        """The live pods that the workload's selector matches."""
        selected = pod_selector(workload.obj)
        pairs = mapping(workload.obj, "spec", "selector", "matchLabels")
        some = [self._by_label.get((workload.ref.namespace, str(key), str(value)), []) for key, value in pairs.items()]
        near = min(some, key=len, default=self._by_namespace.get(workload.ref.namespace, []))
        return [pod for pod in near if selected(labels_of(pod))]


def pods_of(snapshot: Snapshot, workload: Workload) -> list[Object]:
    """The live pods that the workload's selector matches; `Pods` for many workloads."""
    return Pods(snapshot).of(workload)


def removed_objects(snapshot: Snapshot) -> dict[ObjectRef, Object]:
    """What the native rollback deletes.

    Helm compares with the last revision whatever its status, and goes by the live object's keep policy; an object that
    is gone already cannot be lost.
    """
    before = {**snapshot.change.current.objects, **snapshot.history.last.objects}
    lost = {}
    for ref, obj in before.items():
        if ref in snapshot.change.target.objects:
            continue
        live = snapshot.live_for(ref)
        if not absent(snapshot, ref) and not kept(live if live is not None else obj):
            lost[ref] = obj
    return lost


def keep_hint(ref: ObjectRef) -> str:
    """The command that spares an object from deletion."""
    namespace = f" -n {ref.namespace}" if ref.namespace else ""
    return f"kubectl annotate {ref.kind.lower()} {ref.name}{namespace} {KEEP_POLICY}=keep"


def server_side(snapshot: Snapshot) -> bool:
    """Whether the native rollback will apply server-side (Helm 4, by flag or by the target's own method)."""
    wanted = snapshot.settings.native.server_side
    if snapshot.helm.major < 4 or wanted == "false":
        return False
    return wanted == "true" or snapshot.change.target.server_side


def autoscaler_of(snapshot: Snapshot, ref: ObjectRef) -> Object | None:
    """The live HPA or KEDA ScaledObject that scales a workload."""
    for group, kind in (AUTOSCALER, SCALED_OBJECT):
        for scaler in snapshot.of_kind(group, kind):
            if namespace_of(scaler) == ref.namespace and _scales(scaler, ref):
                return scaler
    return None


def _scales(scaler: Object, ref: ObjectRef) -> bool:
    aim = mapping(scaler, "spec", "scaleTargetRef")
    return aim.get("name") == ref.name and (aim.get("kind") or "Deployment") == ref.kind


def bounds(scaler: Object) -> tuple[int, int]:
    """(min, max) replicas of an HPA or ScaledObject; 0 where the maximum is not stated."""
    spec = mapping(scaler, "spec")
    least = spec.get("minReplicas", spec.get("minReplicaCount", 1))
    most = spec.get("maxReplicas", spec.get("maxReplicaCount", 0))
    return _count(least, 1), _count(most, 0)


def live_replicas(snapshot: Snapshot, ref: ObjectRef) -> int | None:
    """spec.replicas of the live object: what is wanted now, not what is ready."""
    count = dig(snapshot.live_for(ref), "spec", "replicas")
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def services(snapshot: Snapshot) -> list[Object]:
    """Services as they will be after the rollback: the target's, and live ones outside it."""
    ours = {ref: obj for ref, obj in snapshot.change.target.objects.items() if (ref.group, ref.kind) == SERVICE}
    gone = removed_objects(snapshot)
    others = {
        ref: obj
        for ref, obj in snapshot.live.items()
        if (ref.group, ref.kind) == SERVICE and ref not in ours and ref not in gone
    }
    return list({**ours, **others}.values())


def services_for(found: Iterable[Object], workload: Workload) -> list[Object]:
    """Those of some Services that select the workload's pods."""
    labels = template_labels(workload.obj)
    return [
        obj
        for obj in found
        if selects(mapping(obj, "spec", "selector"), labels) and namespace_of(obj) == workload.ref.namespace
    ]


def rollback_hooks(snapshot: Snapshot) -> list[Hook]:
    """The target's hooks that the native rollback will run, in Helm's order."""
    if snapshot.settings.native.no_hooks:
        return []
    events = UPGRADE_EVENTS if snapshot.settings.forward else ROLLBACK_EVENTS
    hooks = [hook for hook in snapshot.change.target.hooks if set(hook.events) & set(events)]
    return sorted(hooks, key=lambda hook: (events[0] not in hook.events, hook.weight, hook.name))


def between(snapshot: Snapshot) -> list[Revision]:
    """The revisions that the rollback undoes: newer than the target, up to the current one, oldest first."""
    first, last = snapshot.change.target.number, snapshot.change.current.number
    return [revision for revision in snapshot.history.revisions if first < revision.number <= last]


def waiting(pods: Iterable[Object]) -> Iterator[tuple[str, str, str]]:
    """(image, reason, pod's name) of every container that waits, e.g. for ImagePullBackOff."""
    for pod in pods:
        for field in ("initContainer", "container"):
            for status in sequence(pod, "status", f"{field}Statuses"):
                reason = dig(status, "state", "waiting", "reason")
                if reason:
                    yield _image(pod, field, dig(status, "name")), str(reason), name_of(pod)


def _image(pod: Object, field: str, name: object) -> str:
    """The image as the pod's spec spells it: the status holds the resolved one."""
    spec = next((each for each in sequence(pod, "spec", f"{field}s") if dig(each, "name") == name), None)
    return str(dig(spec, "image") or "")


def annotation(obj: Object, name: str) -> str:
    return str(annotations_of(obj).get(name) or "")


# Fields that the server, autoscalers or other checks look after.
_NOT_DRIFT = ("metadata.namespace", "metadata.creationTimestamp", "spec.replicas", "status")


def drift(snapshot: Snapshot) -> dict[ObjectRef, tuple[str, ...]]:
    """Per object of the current revision, the fields in which the live object contradicts its manifest.

    ("",) where the object is gone. Secret values are hashes in a snapshot and have a check of their own; objects read
    in another API version than the manifest's cannot be compared.
    """
    found: dict[ObjectRef, tuple[str, ...]] = {}
    for ref, obj in snapshot.change.current.objects.items():
        live = snapshot.live_for(ref)
        if live is None:
            if absent(snapshot, ref):
                found[ref] = ("",)
            continue
        if obj.get("apiVersion") != live.get("apiVersion"):
            continue
        stated = {key: value for key, value in obj.items() if key not in ("data", "stringData") or ref.kind != "Secret"}
        fields = tuple(
            path
            for path in differences(stated, live)
            if not path.startswith(_NOT_DRIFT) and not path.endswith("caBundle")
        )
        if fields:
            found[ref] = fields
    return found


def absent(snapshot: Snapshot, ref: ObjectRef) -> bool:
    """Whether the cluster is known not to have an object."""
    seen = ref.namespace in ("", snapshot.history.release.namespace) and snapshot.knows(ref.group, ref.kind)
    return seen and snapshot.live_for(ref) is None
