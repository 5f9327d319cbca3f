"""STATE-001: state that was to be read, and could not be."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.photograph import DatabaseState
from helm_safe.model.snapshot import Snapshot

_NAMES = {"database": "The database", "redis": "Redis", "kafka": "Kafka"}
_FLAGS = {"database": "--db", "redis": "--redis", "kafka": "--kafka"}


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    state, number = snapshot.state, snapshot.change.target.number
    for kind, why in state.unread.items():
        yield CHECK.unverified(
            f"{_NAMES.get(kind, kind)} could not be read: {why}",
            object=kind,
            remediation=f"Name it by {_FLAGS.get(kind, kind)}, or mend what is said there; what it holds is not known.",
        )
    if state.spoiled:
        words = f"What revision {number} left behind is not known: {state.spoiled}."
        yield CHECK.unverified(words, object="snapshot")
    elif state.asked and state.then is None:
        yield CHECK.unverified(
            f"There is no snapshot of revision {number}: what changed since then is told by other evidence, or"
            " not at all.",
            object="snapshot",
            remediation="Let every deployment end with: helm safe-rollback snapshot RELEASE --db WHERE",
        )._replace(severity=WARNING)
    if state.database:
        yield from _bounded(state.database)


def _bounded(database: DatabaseState) -> Iterator[Finding]:
    if database.schema.left_out:
        words = f"{database.schema.left_out} tables and views were not read: there are more than the bound allows."
        yield CHECK.unverified(words, object="database")


CHECK = Check(
    "STATE-001",
    "State could not be read",
    ERROR,
    "A database, Redis or Kafka that was to be read did not answer, refused us, or was too large; or there is no"
    " snapshot"
    " of the target to compare with.",
    "Mend the address, the credentials or the network; take snapshots when you deploy.",
    _run,
)
