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

NOBODY = "no cluster was asked"
"""Why a kind was not read where two manifests are compared."""


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


def verify_policy(settings: Settings) -> None:
    """Raise UsageError when the policy softens or waives checks that must stand; every such one is named."""
    milder = [each for each, severity in settings.policy_severities.items() if severity is not Severity.ERROR]
    problems = [
        f"{check.id} ({check.title}) cannot be {verb}"
        for verb, ids in (("made milder than error", milder), ("waived", [each.check for each in settings.waivers]))
        for check in (resolve(CHECKS[each]) for each in dict.fromkeys(ids))
        if not check.waivable
    ]
    if problems:
        raise UsageError(f"the policy asks for what cannot be: {'; '.join(problems)}", "Take that out of the policy.")


def run_checks(snapshot: Snapshot) -> list[Finding]:
    """All findings, those that block first. Raises UsageError where `verify_accept` and `verify_policy` do."""
    verify_accept(snapshot.settings)
    verify_policy(snapshot.settings)
    found = [_weigh(finding, check, snapshot.settings) for check in all_checks() for finding in _judge(check, snapshot)]
    if snapshot.settings.resolved.value("unverified") == "block":
        found = [_doubted(finding) for finding in found]
    return sorted((_waive(finding, snapshot) for finding in found), key=sort_key)


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
    if reason == NOBODY:
        return check.unverified(f"{check.title}: not fully verified, because {NOBODY}.", object=kind)
    return check.unverified(
        f"{check.title}: not fully verified, because {resource} cannot be listed.",
        f"missing permission: list {resource}",
        f"reason: {reason}",
        object=kind,
        remediation=f"Grant the verb list on {resource}: helm safe-rollback rbac {snapshot.history.release.name}",
    )


def _weigh(finding: Finding, check: Check, settings: Settings) -> Finding:
    """The finding with the policy's severity; one that is milder than usual, because its evidence is, stays so."""
    severity = settings.policy_severities.get(finding.check, finding.severity)
    if finding.severity is not check.severity:
        severity = max(severity, finding.severity, key=list(Severity).index)
    if severity is finding.severity:
        return finding
    note = f"severity by the policy; without it: {finding.severity.value}"
    return finding._replace(severity=severity, evidence=(*finding.evidence, note))


def _doubted(finding: Finding) -> Finding:
    """Where the policy says so, what might be an error and could not be looked at blocks like one."""
    if finding.status is not Status.UNVERIFIED or finding.severity is not Severity.ERROR:
        return finding
    note = "it could not be verified, and the policy lets that block"
    return finding._replace(status=Status.FAIL, evidence=(*finding.evidence, note))


def _waive(finding: Finding, snapshot: Snapshot) -> Finding:
    reason = snapshot.settings.accept.get(finding.check) or _waived_beforehand(finding, snapshot)
    if not reason or finding.status is not Status.FAIL or finding.severity is Severity.INFO:
        return finding
    return finding._replace(status=Status.WAIVED, waiver=reason)


def _waived_beforehand(finding: Finding, snapshot: Snapshot) -> str:
    """What the policy says for the finding; "" where no waiver counts."""
    waivers = (each for each in snapshot.settings.waivers if each.covers(finding, snapshot.now))
    return next((f"{each.reason} (policy, until {each.last_day})" for each in waivers), "")
