"""DB-ADD-001: the schema has only grown since the target, by the schema itself."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import INFO, Check
from helm_safe.checks.schemas import compared
from helm_safe.core.findings import Finding
from helm_safe.model.schema import Effect
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    found = compared(snapshot)
    if found is None or any(each.effect is not Effect.ADDITIVE for each in found):
        return
    number = snapshot.change.target.number
    words = "only additions" if found else "no change at all"
    yield Finding(
        CHECK.id,
        INFO,
        f"The database has had {words} since revision {number}: its schema is safe for revision {number}.",
        evidence=("L4: the schema then and now", *(f"{each.object} {each.words}" for each in found[:20])),
        remediation="Nothing to do. What applications agree on beyond the schema is not seen here.",
    )


CHECK = Check(
    "DB-ADD-001",
    "Schema has only grown",
    INFO,
    "The snapshot of the target's schema and the schema of now differ by additions only, or not at all. The good"
    " news is"
    " told with its evidence.",
    "Nothing to do.",
    _run,
)
