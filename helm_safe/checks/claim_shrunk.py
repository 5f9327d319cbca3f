"""PVC-SHR-001: the target asks for less storage than the claim has."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import CLAIM, ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.core.quantities import nanos
from helm_safe.model.snapshot import Snapshot

_REQUEST = ("spec", "resources", "requests", "storage")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in snapshot.change.target.objects.items():
        if (ref.group, ref.kind) != CLAIM:
            continue
        has, wants = _has(snapshot, ref), dig(obj, *_REQUEST)
        if has is not None and wants is not None and _less(wants, has):
            yield _finding(snapshot, ref, str(wants), str(has))


def _has(snapshot: Snapshot, ref: ObjectRef) -> object:
    """What the claim asks for now: live if it can be seen, else the current manifest."""
    live: Object = snapshot.live_for(ref) or snapshot.change.current.objects.get(ref) or {}
    return dig(live, *_REQUEST) or dig(live, "status", "capacity", "storage")


def _less(one: object, other: object) -> bool:
    try:
        return nanos(one) < nanos(other)
    except ValueError:
        return False


def _finding(snapshot: Snapshot, ref: ObjectRef, wants: str, has: str) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"Revision {snapshot.change.target.number} wants {wants} for {ref}, which has {has}: a claim cannot shrink.",
        object=str(ref),
        field=".".join(_REQUEST),
        evidence=(f"live: {has}", f"target: {wants}"),
        remediation=CHECK.remedy,
    )


CHECK = Check(
    "PVC-SHR-001",
    "Claim would shrink",
    ERROR,
    "The claim was enlarged after the target was released. The API server refuses the smaller size, and the rollback"
    " ends half applied.",
    "Roll forward with the target's chart and the larger size instead.",
    _run,
    needs=(CLAIM,),
)
