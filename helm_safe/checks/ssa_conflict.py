"""SSA-001: another manager owns a field that Helm's server-side apply would set."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import server_side
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import Snapshot

# Helm absorbs its own plain updates; ours are dropped by the run before it commits.
_OURS = ("helm", "helm-safe")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not server_side(snapshot) or snapshot.settings.native.force_conflicts:
        return
    for ref, answer in snapshot.dry_run.items():
        foreign = [(manager, field) for manager, field in answer.conflicts if not _ours(manager)]
        if foreign:
            yield _finding(ref, foreign)


def _ours(manager: str) -> bool:
    return manager in _OURS or manager.startswith("helm-safe.")


def _finding(ref: ObjectRef, foreign: list[tuple[str, str]]) -> Finding:
    managers = sorted({manager for manager, _ in foreign})
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{ref} has fields owned by {' and '.join(managers)}: Helm's server-side apply stops there with a conflict.",
        object=str(ref),
        field=foreign[0][1],
        evidence=tuple(f"{field} is owned by {manager}" for manager, field in foreign[:20]),
        remediation="Let that manager give the field up, or take every listed field over with --force-conflicts.",
    )


CHECK = Check(
    "SSA-001",
    "Server-side apply conflict",
    ERROR,
    "Helm 4 applies server-side without force. A field that kubectl, an autoscaler or an operator has set makes the"
    " rollback fail after other objects have changed.",
    "Take the listed fields over with --force-conflicts, or let the other manager give them up.",
    _run,
)
