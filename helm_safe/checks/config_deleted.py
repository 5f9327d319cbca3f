"""SEC-DEL-001: others still use a Secret or ConfigMap that the rollback deletes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from helm_safe.checks.base import CONFIG_MAP, POD, SECRET, WARNING, WORKLOADS, Check
from helm_safe.checks.facts import keep_hint, removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, sequence
from helm_safe.core.references import references_of
from helm_safe.core.workloads import pod_selector, pod_template, workload_of
from helm_safe.model.snapshot import Snapshot

_INGRESS = ("networking.k8s.io", "Ingress")
_CONTROLLED = ("ReplicaSet", "StatefulSet", "DaemonSet")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    lost = lost_config(snapshot)
    users: dict[ObjectRef, list[str]] = defaultdict(list)
    if lost:
        for ref, obj in _outside(snapshot):
            for used, where in _uses(ref, obj):
                if used in lost:
                    users[used].append(f"{ref}: {where}")
    for ref, places in users.items():
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"The rollback deletes {ref}, which is still used outside the release.",
            object=str(ref),
            evidence=tuple(dict.fromkeys(places))[:20],
            remediation=f"To keep it: {keep_hint(ref)}",
        )


def lost_config(snapshot: Snapshot) -> set[ObjectRef]:
    """The ConfigMaps and Secrets that the rollback deletes."""
    return {ref for ref in removed_objects(snapshot) if (ref.group, ref.kind) in (CONFIG_MAP, SECRET)}


def _outside(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, Object]]:
    """Live workloads, pods and Ingresses that are not the release's."""
    change = snapshot.change
    ours = {**change.target.objects, **change.current.objects, **snapshot.history.last.objects}
    selected = [(ref.namespace, pod_selector(obj)) for ref, obj in ours.items() if workload_of(obj)]
    for ref, obj in snapshot.live.items():
        if ref in ours:
            continue
        if (ref.group, ref.kind) == POD:
            mine = any(ref.namespace == where and matches(labels_of(obj)) for where, matches in selected)
            if mine or _ended(obj) or _controlled(obj):
                continue
            yield ref, obj
        elif workload_of(obj) or (ref.group, ref.kind) == _INGRESS:
            yield ref, obj


def _ended(pod: Object) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")


def _controlled(pod: Object) -> bool:
    """Whether a workload that is listed itself made the pod."""
    return any(dig(owner, "kind") in _CONTROLLED for owner in sequence(pod, "metadata", "ownerReferences"))


def _uses(ref: ObjectRef, obj: Object) -> Iterator[tuple[ObjectRef, str]]:
    for used in references_of(pod_template(obj)):
        yield ObjectRef(used.group, used.kind, ref.namespace, used.name), used.where
    if (ref.group, ref.kind) == _INGRESS:
        for each in sequence(obj, "spec", "tls"):
            yield ObjectRef(*SECRET, ref.namespace, str(dig(each, "secretName"))), "certificate (spec.tls)"


CHECK = Check(
    "SEC-DEL-001",
    "Deleted configuration still used",
    WARNING,
    "A Secret or ConfigMap that only the current revision has is deleted by the rollback, while pods, workloads or"
    " Ingresses outside the release still refer to it: their next pod would not start, or they lose their certificate.",
    "Annotate the live object with helm.sh/resource-policy=keep.",
    _run,
    needs=(POD, *WORKLOADS),
    when=lambda snapshot: bool(lost_config(snapshot)),
)
