"""HIST-006: more than one revision claims to be deployed."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    numbers = [str(each.number) for each in snapshot.history.revisions if each.status is RevisionStatus.DEPLOYED]
    if len(numbers) < 2:
        return
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"Revisions {' and '.join(numbers)} are all deployed: two Helm operations ran at the same time.",
        evidence=(f"Helm compares with revision {snapshot.history.last.number}, the last one",),
        remediation=CHECK.remedy,
    )


CHECK = Check(
    "HIST-006",
    "Two revisions deployed",
    WARNING,
    "A rollback during a running upgrade ends with two deployed revisions; live objects may be a mix of both.",
    "The rollback marks all of them superseded; look at the drift findings for what the mix left behind.",
    _run,
)
