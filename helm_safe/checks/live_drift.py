"""DRIFT-001: live objects differ from what the current revision's manifest says."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.facts import drift
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, fields in drift(snapshot).items():
        if fields == ("",):
            yield _gone(snapshot, ref)
        else:
            yield _changed(snapshot, ref, fields)


def _gone(snapshot: Snapshot, ref: ObjectRef) -> Finding:
    again = ref in snapshot.change.target.objects
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{ref} of revision {snapshot.change.current.number} no longer exists"
        f"{'; the rollback creates it again' if again else ''}.",
        object=str(ref),
        evidence=(f"in the manifest of revision {snapshot.change.current.number}, not in the cluster",),
        remediation="Ask who deleted it, and whether it should come back." if again else "Nothing to do.",
    )


def _changed(snapshot: Snapshot, ref: ObjectRef, fields: tuple[str, ...]) -> Finding:
    fate = "the rollback writes over it" if ref in snapshot.change.target.objects else "the rollback deletes the object"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{ref} was changed outside Helm in {len(fields)} field{'s' if len(fields) > 1 else ''}: {fate}.",
        object=str(ref),
        field=fields[0],
        evidence=fields[:20],
        remediation="Note the live values that must survive; set them again afterwards or put them in the chart.",
    )


CHECK = Check(
    "DRIFT-001",
    "Live objects drifted",
    WARNING,
    "A field that the current manifest states has another value in the cluster. Server defaults and other spellings"
    " of the same quantity do not count. The rollback overwrites such edits, except in custom resources applied"
    " client-side.",
    "Note what must survive, and set it again afterwards.",
    _run,
)
