"""`check RELEASE [REVISION]`: findings only; changes nothing."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from helm_safe.cli import options
from helm_safe.cli.plan import prepare
from helm_safe.model.errors import BLOCKED, OK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helm_safe.core.findings import Finding
    from helm_safe.rollback.prepare import Prepared

FORMATS = (*options.FORMATS, "junit", "sarif", "github")
FAIL_ON = ("error", "warning", "unverified")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_output(parser, FORMATS)
    parser.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        default="error",
        help="exit 3 for what blocks (error), also for warnings, also for what could not be looked at (unverified)",
    )
    parser.add_argument("--baseline", metavar="FILE", help="findings that are known: they are shown as accepted")
    parser.add_argument("--write-baseline", metavar="FILE", help="write what fails now as a baseline")


def run(args: argparse.Namespace) -> int:
    """0 when nothing fails that --fail-on names, else 3."""
    from helm_safe.cli import baseline

    prepared = prepare(args)
    findings = baseline.known(args.baseline, prepared.findings) if args.baseline else list(prepared.findings)
    if args.write_baseline:
        baseline.write(args.write_baseline, prepared.findings)
    _show(args, prepared, findings)
    return BLOCKED if any(_fails(each, args.fail_on) for each in findings) else OK


def _show(args: argparse.Namespace, prepared: Prepared, findings: Sequence[Finding]) -> None:
    if args.output == "text":
        from helm_safe.report.console import console
        from helm_safe.report.findings import show_findings

        show_findings(console(no_color=args.no_color), findings)
    elif args.output in options.FORMATS:
        from helm_safe.report.document import write_document

        write_document({"findings": [finding.to_json() for finding in findings]}, args.output)
    else:
        from helm_safe.checks.run import all_checks
        from helm_safe.report.pipelines import Rule, Subject, written

        plan = prepared.plan
        subject = Subject(f"{plan.namespace}/{plan.release}", f"{plan.current} → {plan.target}")
        rules = [Rule(each.id, each.title, each.summary, each.remedy) for each in all_checks()]
        sys.stdout.write(written(args.output, subject, rules, findings))


def _fails(finding: Finding, level: str) -> bool:
    from helm_safe.core.findings import Severity, Status

    if finding.status is Status.UNVERIFIED:
        return level == "unverified"
    return finding.blocks or (
        level != "error" and finding.status is Status.FAIL and finding.severity is Severity.WARNING
    )
