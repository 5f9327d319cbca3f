"""DB-UNK-001: a migration has probably run since the target, and nobody knows whether the old code can live with it."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.migrations import signs
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    number = snapshot.change.target.number
    for sign in signs(snapshot):
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{sign.object} may have migrated a database since revision {number}; the rollback does not undo that.",
            object=sign.object,
            evidence=(sign.words,),
            remediation=f"Make sure that revision {number} works with today's schema, or roll forward; no hook of the"
            " newer revision runs on a rollback.",
        )


CHECK = Check(
    "DB-UNK-001",
    "Migration with unknown effect",
    WARNING,
    "A revision being undone has upgrade hooks or Jobs that the target does not have. Helm runs the target's hooks"
    " only: what the newer ones did to a database stays.",
    "Check that the old code works with the new schema.",
    _run,
)
