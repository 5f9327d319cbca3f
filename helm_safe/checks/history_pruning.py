"""HIST-005: Helm would prune the target's record."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import INFO, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot

HELM_DEFAULT = 10


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    limit = snapshot.settings.native.history_max
    limit = HELM_DEFAULT if limit is None else limit
    if limit <= 0 or snapshot.change.target.number not in _pruned(snapshot, limit):
        return
    count = len(snapshot.history.revisions)
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"With a history limit of {limit} Helm would delete the record of revision {snapshot.change.target.number}"
        " before a retry could use it; the run passes a larger limit.",
        evidence=(f"records: {count}", f"limit: {limit}"),
        remediation=f"Nothing to do: the run passes --history-max {count + 2} or more.",
    )


def _pruned(snapshot: Snapshot, limit: int) -> set[int]:
    """The numbers that creating one more record removes: the oldest ones, never the deployed one."""
    deployed = snapshot.history.deployed
    spared = deployed.number if deployed else None
    oldest = [revision.number for revision in snapshot.history.revisions if revision.number != spared]
    surplus = len(snapshot.history.revisions) - (limit - 1)
    return set(oldest[: max(0, surplus)])


CHECK = Check(
    "HIST-005",
    "Target would be pruned",
    INFO,
    "Every attempt, also a failed one, creates a record and prunes the oldest; repeated failures delete the record of"
    " the target itself.",
    "The run passes a history limit that keeps the target.",
    _run,
)
