"""HIST-001: the target revision was never applied."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.past import suggestion
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target = snapshot.change.target
    if not target.status.pending and target.status is not RevisionStatus.UNKNOWN:
        return
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"Revision {target.number} is {target.status.value}: its operation never ended, so nobody knows that it ran.",
        evidence=(f"status: {target.status.value}", f"description: {target.description or 'none'}"),
        remediation=suggestion(snapshot),
    )


CHECK = Check(
    "HIST-001",
    "Target never applied",
    ERROR,
    "The target is pending or of unknown status: an install, upgrade or rollback that never finished. Helm rolls back"
    " to it without a word and then calls it deployed.",
    "Choose a revision that was deployed, or accept when you know that this content ran well.",
    _run,
)
