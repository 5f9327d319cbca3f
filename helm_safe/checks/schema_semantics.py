"""DB-SEMANTIC-001: rows may hold what the target never met."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.schemas import findings_of
from helm_safe.core.findings import Finding
from helm_safe.model.schema import Effect
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    yield from findings_of(
        snapshot, Effect.SEMANTIC, Finding(CHECK.id, WARNING, ""), "Old code may meet rows that it cannot read."
    )


CHECK = Check(
    "DB-SEMANTIC-001",
    "Data from the future",
    WARNING,
    "New enum values, columns that may be NULL now, wider numbers, rows that a migration wrote: the schema fits,"
    " but old code may fail on new rows.",
    "Make sure that the old code can read such rows.",
    _run,
)
