"""HPA-001: the autoscaler that the rollback brings back, or removes, does not fit the load."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import AUTOSCALER, SCALED_OBJECT, WARNING, WORKLOADS, Check
from helm_safe.checks.facts import bounds, live_replicas, removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, mapping
from helm_safe.model.snapshot import Snapshot

_KINDS = (AUTOSCALER, SCALED_OBJECT)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in snapshot.change.target.objects.items():
        if (ref.group, ref.kind) in _KINDS:
            yield from _too_small(snapshot, ref, obj)
    for ref, obj in removed_objects(snapshot).items():
        if (ref.group, ref.kind) in _KINDS:
            yield _removed(snapshot, ref, obj)


def _aim(ref: ObjectRef, obj: Object) -> ObjectRef:
    target = mapping(obj, "spec", "scaleTargetRef")
    api, kind = str(target.get("apiVersion") or "apps/v1"), str(target.get("kind") or "Deployment")
    return ObjectRef(api.rpartition("/")[0], kind, ref.namespace, str(target.get("name") or ""))


def _too_small(snapshot: Snapshot, ref: ObjectRef, obj: Object) -> Iterator[Finding]:
    aim = _aim(ref, obj)
    live, most = live_replicas(snapshot, aim), bounds(obj)[1]
    if live is not None and most and live > most:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{ref} of the target allows at most {most} replicas; {aim} runs {live} now.",
            object=str(ref),
            field="spec.maxReplicas" if ref.kind == AUTOSCALER[1] else "spec.maxReplicaCount",
            evidence=(f"live: {live}", f"target's maximum: {most}"),
            remediation="Raise the maximum right after the rollback, or roll forward.",
        )


def _removed(snapshot: Snapshot, ref: ObjectRef, obj: Object) -> Finding:
    aim = _aim(ref, obj)
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"The rollback deletes {ref}: {aim} keeps the size that it has and no longer follows the load.",
        object=str(ref),
        evidence=(f"live replicas of {aim}: {live_replicas(snapshot, aim)}",),
        remediation="Watch the load after the rollback, or create an autoscaler outside the release.",
    )


CHECK = Check(
    "HPA-001",
    "Autoscaler does not fit",
    WARNING,
    "The target's autoscaler allows fewer replicas than run now, or the rollback deletes the autoscaler.",
    "Adapt the autoscaler right after the rollback.",
    _run,
    needs=(AUTOSCALER, SCALED_OBJECT, *WORKLOADS),
)
