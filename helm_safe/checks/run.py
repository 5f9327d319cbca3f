"""Runs every check over one snapshot and applies what the user accepted."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks import CHECKS
from helm_safe.checks.base import Check, Need
from helm_safe.core.findings import Finding, Severity, Status, sort_key
from helm_safe.model.errors import UsageError
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.registry import resolve, unknown


def all_checks() -> list[Check]:
    """Every check of the table, in its order."""
    return [resolve(target) for target in CHECKS.values()]


def needs() -> tuple[Need, ...]:
    """The (group, kind) pairs that the checks ask to be listed, each once, sorted."""
    return tuple(sorted({need for check in all_checks() for need in check.needs}))


def verify_accept(settings: Settings) -> None:
    """Raise UsageError when `--accept` names an unknown check, one that cannot be accepted, or gives no reason."""
    for check_id, reason in settings.accept.items():
        if check_id not in CHECKS:
            raise unknown("check", check_id, CHECKS)
        check: Check = resolve(CHECKS[check_id])
        if not check.waivable:
            raise UsageError(f"{check_id} ({check.title}) cannot be accepted.", check.remedy)
        if not reason.strip():
            raise UsageError(
                f"--accept {check_id} needs a reason.", f'Write --accept {check_id}="why this is safe now".'
            )


def run_checks(snapshot: Snapshot) -> list[Finding]:
    """All findings, those that block first. Raises UsageError where `verify_accept` does."""
    verify_accept(snapshot.settings)
    found = [finding for check in all_checks() for finding in _judge(check, snapshot)]
    return sorted((_waive(finding, snapshot.settings) for finding in found), key=sort_key)


def _judge(check: Check, snapshot: Snapshot) -> Iterator[Finding]:
    """What the check finds in the evidence at hand, and what it could not look at."""
    if not check.when(snapshot):
        return
    yield from check.run(snapshot)
    for need in check.needs:
        reason = _unread(need, snapshot)
        if reason:
            yield _blind(check, need, snapshot, reason)


def _unread(need: Need, snapshot: Snapshot) -> str:
    """Why the objects of a kind are unknown; "" where they were read, or where the cluster has no such kind."""
    if need in snapshot.denied:
        return snapshot.denied[need] or "denied"
    if snapshot.knows(*need) or snapshot.served.preferred(*need) is None:
        return ""
    return "it was not read"


def _blind(check: Check, need: Need, snapshot: Snapshot, reason: str) -> Finding:
    group, kind = need
    row = snapshot.served.preferred(group, kind)
    plural = row.plural if row else kind.lower()
    resource = f"{plural}.{group}" if group else plural
    return check.unverified(
        f"{check.title}: not fully verified, because {resource} cannot be listed.",
        f"missing permission: list {resource}",
        f"reason: {reason}",
        object=kind,
        remediation=f"Grant the verb list on {resource}: helm safe-rollback rbac {snapshot.history.release.name}",
    )


def _waive(finding: Finding, settings: Settings) -> Finding:
    reason = settings.accept.get(finding.check)
    if reason is None or finding.status is not Status.FAIL or finding.severity is Severity.INFO:
        return finding
    return finding._replace(status=Status.WAIVED, waiver=reason)
