"""DB-DIRTY-001: a migration is half done, or a migration lock is held."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.migrated import Ledger
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    database = snapshot.state.database
    for ledger in database.ledgers if database else ():
        for row in ledger.failed:
            words = f"{ledger.tool}'s migration {row.version} did not end well"
            yield _finding(ledger, f"{words}: the schema may be neither old nor new.", "a row that is not finished")
        if ledger.locked:
            words = f"{ledger.tool} holds its lock: a migration runs, or died while it ran."
            yield _finding(ledger, words, "its lock is set")
        if ledger.odd:
            yield _odd(ledger)


def _finding(ledger: Ledger, words: str, why: str) -> Finding:
    return Finding(
        CHECK.id,
        ERROR,
        words,
        object=ledger.table,
        evidence=(f"L4: {why} in {ledger.table}",),
        remediation="See whether it still runs; repair it with the tool and the newer image before any pod starts.",
    )


def _odd(ledger: Ledger) -> Finding:
    return CHECK.unverified(
        f"{ledger.odd} rows of {ledger.table} are none that {ledger.tool} writes: its history is not fully known.",
        object=ledger.table,
    )._replace(severity=WARNING)


CHECK = Check(
    "DB-DIRTY-001",
    "Migration half done",
    ERROR,
    "A migration failed or was cut off, or a tool's lock is held. Old and new code alike may refuse to start.",
    "Repair the history with the migration tool and the newer image first.",
    _run,
)
