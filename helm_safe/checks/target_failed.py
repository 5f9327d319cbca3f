"""HIST-002: the target revision failed when it was new."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.past import failed, suggestion
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.snapshot import Snapshot

_REMOVED = (RevisionStatus.UNINSTALLED, RevisionStatus.UNINSTALLING)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target = snapshot.change.target
    removed = target.status in _REMOVED
    if not failed(target) and not removed:
        return
    what = "was uninstalled" if removed else "failed when it was released"
    hidden = "; the status was rewritten afterwards" if target.status is RevisionStatus.SUPERSEDED else ""
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"Revision {target.number} {what}{hidden}.",
        evidence=(f"status: {target.status.value}", f"description: {target.description or 'none'}"),
        remediation=suggestion(snapshot),
    )


CHECK = Check(
    "HIST-002",
    "Target failed before",
    ERROR,
    "The target's own release failed. A later failed rollback rewrites that status to superseded, so the description is"
    " read as well.",
    "Choose the newest revision without a recorded failure, or accept when you know that this one ran well.",
    _run,
)
