"""LEFT-001: the last revision was never or only partly applied, so Helm's diff starts from a wrong base."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import INFO, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    history = snapshot.history
    last, deployed = history.last, history.deployed
    unsure = last.status.pending or last.status.value == "failed"
    if not unsure or deployed is None or deployed.content == last.content:
        return
    orphans = [ref for ref in deployed.objects if ref not in last.objects and ref not in snapshot.change.target.objects]
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"Helm would compare with revision {last.number} ({last.status.value}), which may never have been applied;"
        f" what only revision {deployed.number} has would stay behind.",
        evidence=(
            f"deployed: revision {deployed.number}",
            *(f"would be orphaned: {ref}" for ref in orphans[:20]),
        ),
        remediation="Nothing to do: the run clears the stale record first and looks for leftovers afterwards.",
    )


CHECK = Check(
    "LEFT-001",
    "Last revision never applied",
    INFO,
    "Helm's diff starts from the last record whatever its status. After a failed attempt the bad revision's extra"
    " containers, variables and objects survive a rollback that reports success.",
    "The run repairs the record first and compares live objects with the target afterwards.",
    _run,
)
