"""DB-UNK-001: a migration has probably run since the target, and nobody knows whether the old code can live with it."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.migrations import signs
from helm_safe.checks.schemas import since_target, understood
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    """Silent where better evidence tells what the migrations did."""
    number = snapshot.change.target.number
    known = understood(snapshot)
    yield from () if known else _rows(snapshot)
    for sign in () if known else signs(snapshot):
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{sign.object} may have migrated a database since revision {number}; the rollback does not undo that.",
            object=sign.object,
            evidence=(sign.words,),
            remediation=f"Make sure that revision {number} works with today's schema, or roll forward; no hook of the"
            " newer revision runs on a rollback.",
        )


def _rows(snapshot: Snapshot) -> Iterator[Finding]:
    """What a database's own history tells, where nobody knows what its rows did."""
    number = snapshot.change.target.number
    for advance in since_target(snapshot):
        ledger, names = advance.ledger, ", ".join(row.version for row in advance.rows[-5:])
        words = (
            f"applied {len(advance.rows)} migrations since revision {number} ({names}); what they changed is not known"
        )
        if not advance.certain:
            words = f"keeps no times: whether anything was applied since revision {number} is not known"
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{ledger.tool} {words}.",
            object=ledger.table,
            evidence=(f"L4: {ledger.table} stands at {ledger.head or 'nothing'}",),
            remediation=f"Read them before you go back. The tool's way back: {advance.undo or 'none'} (not run by us).",
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
