"""HIST-007: the target is what runs already."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import drift
from helm_safe.checks.past import looks_good, suggestion
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    current, target = snapshot.change.current, snapshot.change.target
    if current.content != target.content or not looks_good(current) or drift(snapshot):
        return
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"Nothing to do: revision {target.number} has the same content as the current revision {current.number},"
        " and the live objects agree with it.",
        evidence=(f"content: {target.content[:12]}", f"status of revision {current.number}: {current.status.value}"),
        remediation=suggestion(snapshot),
    )


CHECK = Check(
    "HIST-007",
    "Nothing to do",
    ERROR,
    "Manifest and hooks of the target equal the current ones and no live object has drifted: a rollback would change"
    " nothing, and whatever is wrong lies elsewhere.",
    "Choose another revision, or look for the cause outside the release.",
    _run,
)
