"""PVC-DEL-001: the rollback deletes stored data."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import CLAIM, ERROR, VOLUME, Check
from helm_safe.checks.facts import keep_hint, removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in removed_objects(snapshot).items():
        if ref.kind in ("PersistentVolumeClaim", "PersistentVolume"):
            yield _finding(ref, f"The rollback deletes {ref}{_fate(snapshot, ref)}", _policy(snapshot, ref))
        elif _takes_claims_along(obj):
            evidence = ("persistentVolumeClaimRetentionPolicy.whenDeleted: Delete",)
            yield _finding(ref, f"The rollback deletes {ref} and with it the claims of its pods.", evidence)


def _takes_claims_along(obj: Object) -> bool:
    claims = dig(obj, "spec", "volumeClaimTemplates")
    policy = dig(obj, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
    return obj.get("kind") == "StatefulSet" and bool(claims) and policy == "Delete"


def _reclaim(snapshot: Snapshot, ref: ObjectRef) -> str:
    """The reclaim policy of the volume behind a claim, or of the volume itself; "" where it cannot be seen."""
    volume = ref.name if ref.kind == "PersistentVolume" else dig(snapshot.live_for(ref), "spec", "volumeName")
    live = snapshot.live_for(ObjectRef("", "PersistentVolume", "", str(volume or "")))
    return str(dig(live, "spec", "persistentVolumeReclaimPolicy") or "")


def _fate(snapshot: Snapshot, ref: ObjectRef) -> str:
    fates = {"Delete": ": the data is destroyed.", "Retain": ": the volume stays, but nothing is bound to it."}
    return fates.get(_reclaim(snapshot, ref), ": what happens to the data depends on its volume's reclaim policy.")


def _policy(snapshot: Snapshot, ref: ObjectRef) -> tuple[str, ...]:
    return (f"reclaim policy of the volume: {_reclaim(snapshot, ref) or 'unknown'}", "no keep policy on it")


def _finding(ref: ObjectRef, message: str, evidence: tuple[str, ...]) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        message,
        object=str(ref),
        evidence=evidence,
        remediation=f"To keep it: {keep_hint(ref)}",
    )


CHECK = Check(
    "PVC-DEL-001",
    "Stored data would be deleted",
    ERROR,
    "A claim or volume of the current revision is absent from the target, or a StatefulSet that takes its claims along."
    " With the reclaim policy Delete the data is gone.",
    "Annotate the live object with helm.sh/resource-policy=keep, and take a snapshot of the volume.",
    _run,
    needs=(CLAIM, VOLUME),
)
