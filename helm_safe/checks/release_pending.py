"""HIST-003: somebody may be working on the release right now."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, INFO, Check
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    last = snapshot.history.last
    if not last.status.pending:
        return
    age = _age(snapshot, last)
    young = age is None or age < snapshot.settings.pending_grace
    since = "at an unknown time" if age is None else f"{age / 60:.0f} minutes ago"
    tail = "another Helm may still be at work." if young else "it is stale and will be repaired first."
    yield Finding(
        CHECK.id,
        ERROR if young else INFO,
        f"Revision {last.number} is {last.status.value} since {since}: {tail}",
        evidence=(
            f"status: {last.status.value}",
            f"began: {last.deployed_at.isoformat() if last.deployed_at else 'unknown'}",
            f"counts as stale after: {snapshot.settings.pending_grace / 60:.0f} minutes",
        ),
        remediation=CHECK.remedy if young else "Nothing to do: the run clears the stale record before it rolls back.",
    )


def _age(snapshot: Snapshot, revision: Revision) -> float | None:
    """Seconds since the revision began, by the API server's clock; None where the record has no usable time."""
    began = revision.deployed_at
    if began is None or (began.tzinfo is None) != (snapshot.now.tzinfo is None):
        return None
    return max(0.0, (snapshot.now - began).total_seconds())


CHECK = Check(
    "HIST-003",
    "Release is pending",
    ERROR,
    "The last record is pending. `helm rollback` does not look: it runs through the other operation and leaves two"
    " revisions deployed. A record older than the grace period is stale and is repaired.",
    "Wait until the other install, upgrade or rollback ends, or stop it; accept only when you know that it is dead.",
    _run,
)
