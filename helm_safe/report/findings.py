"""Findings as people read them: what blocks first, evidence and remedy below each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.report.console import line

MARKS = {Severity.ERROR: "✖ ERROR", Severity.WARNING: "! WARN ", Severity.INFO: "· INFO "}
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: ""}


def show_findings(out: Console, findings: Sequence[Finding]) -> None:
    """Every finding with its evidence; one line of summary last."""
    for finding in findings:
        line(out, f"{_mark(finding)} {finding.check}  {_place(finding)}{finding.message}", _style(finding))
        for fact in finding.evidence:
            line(out, f"          {fact}")
        if finding.status is Status.WAIVED:
            line(out, f"          accepted: {finding.waiver}")
        elif finding.remediation:
            line(out, f"          → {finding.remediation}")
    line(out, summary(findings))


def summary(findings: Sequence[Finding]) -> str:
    """E.g. "2 block, 1 warning, 0 unverified, 1 accepted"."""
    blocking = sum(finding.blocks for finding in findings)
    warnings = sum(f.severity is Severity.WARNING and f.status is Status.FAIL for f in findings)
    unverified = sum(f.status is Status.UNVERIFIED for f in findings)
    waived = sum(f.status is Status.WAIVED for f in findings)
    return f"Checks: {blocking} blocking, {warnings} warnings, {unverified} unverified, {waived} accepted"


def _mark(finding: Finding) -> str:
    if finding.status is Status.UNVERIFIED:
        return "? UNKNOWN"
    if finding.status is Status.WAIVED:
        return "~ ACCEPTED"
    return MARKS[finding.severity]


def _style(finding: Finding) -> str:
    return STYLES[finding.severity] if finding.status is Status.FAIL else ""


def _place(finding: Finding) -> str:
    return f"{finding.object}: " if finding.object and finding.object not in finding.message else ""
