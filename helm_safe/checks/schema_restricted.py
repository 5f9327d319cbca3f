"""DB-RESTRICT-001: the database refuses what the target writes."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.schemas import findings_of
from helm_safe.core.findings import Finding
from helm_safe.model.schema import Effect
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    yield from findings_of(
        snapshot,
        Effect.RESTRICTIVE,
        Finding(CHECK.id, ERROR, ""),
        "Reads go on; writes made for the old schema are refused.",
    )


CHECK = Check(
    "DB-RESTRICT-001",
    "Writes of the target are refused",
    ERROR,
    "A NOT NULL column without a default, a new unique key, check or foreign key: INSERTs and UPDATEs that were"
    " right for the target fail now.",
    "Give the column a default or drop the rule first, or roll forward.",
    _run,
)
