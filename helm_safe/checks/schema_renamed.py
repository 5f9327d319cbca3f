"""DB-INCOMPAT-001: names and types that the target uses have changed."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.schemas import findings_of
from helm_safe.core.findings import Finding
from helm_safe.model.schema import Effect
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    yield from findings_of(
        snapshot, Effect.INCOMPATIBLE, Finding(CHECK.id, ERROR, ""), "Code that uses it by its old name or type fails."
    )


CHECK = Check(
    "DB-INCOMPAT-001",
    "Part of the schema has another name or type",
    ERROR,
    "A table or column that the target uses was renamed, or has another type. Old code fails when it reads and"
    " when it writes.",
    "Roll forward, or undo the migration with the newer image first.",
    _run,
)
