"""`check RELEASE [REVISION]`: findings only; changes nothing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helm_safe.cli import options
from helm_safe.cli.plan import prepare
from helm_safe.model.errors import BLOCKED, OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helm_safe.core.findings import Finding
    from helm_safe.report.pipelines import Subject

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
    parser.add_argument(
        "--from",
        metavar="FILE",
        dest="older",
        help="without a cluster: manifest, or folder of a kustomization, to go back to",
    )
    parser.add_argument(
        "--to", metavar="FILE", dest="newer", help="without a cluster: manifest or folder that is to come"
    )
    parser.add_argument("--baseline", metavar="FILE", help="findings that are known: they are shown as accepted")
    parser.add_argument("--write-baseline", metavar="FILE", help="write what fails now as a baseline")


def run(args: argparse.Namespace) -> int:
    """0 when nothing fails that --fail-on names, else 3."""
    from helm_safe.cli import baseline

    subject, found = _offline(args) if args.older or args.newer else _of_release(args)
    findings = baseline.known(args.baseline, found) if args.baseline else list(found)
    if args.write_baseline:
        baseline.write(args.write_baseline, found)
    _show(args, subject, findings)
    return BLOCKED if any(_fails(each, args.fail_on) for each in findings) else OK


def _of_release(args: argparse.Namespace) -> tuple[Subject, Sequence[Finding]]:
    from helm_safe.report.pipelines import Subject

    prepared = prepare(args)
    plan = prepared.plan
    subject = Subject(f"{plan.namespace}/{plan.release}", f"{plan.current} → {plan.target}")
    return subject, prepared.findings


def _offline(args: argparse.Namespace) -> tuple[Subject, Sequence[Finding]]:
    """Two manifests, for a pull request. Raises UsageError where one is missing or no YAML."""
    from helm_safe.cli.policy import Unsettled, find_file
    from helm_safe.cli.wiring import settings_of
    from helm_safe.helm.payload import UndecodableError
    from helm_safe.journal.clock import SystemClock
    from helm_safe.model.revisions import Release
    from helm_safe.report.pipelines import Subject
    from helm_safe.rollback import offline

    if not (args.older and args.newer):
        raise UsageError("--from and --to belong together", "Name both manifests, as `helm template` writes them.")
    asked = Unsettled(settings_of(args), options.option_flags(args))
    policy = find_file(args.policy) if args.policy else None
    settings = (asked.under(policy) if policy else asked).settle(None, None)
    name = options.release_name(args.release) if args.release else "release"
    release = Release(options.namespace_name(args.namespace or "default"), name)
    try:
        found = offline.findings(release, _text(args.older), _text(args.newer), settings, SystemClock().now())
    except UndecodableError as error:
        raise UsageError(f"--from {args.older} or --to {args.newer}: {error}", "Render them anew.") from error
    return Subject(str(release), f"{args.newer} → {args.older}"), found


def _text(path: str) -> str:
    """A manifest as it stands, or what Kustomize builds of a folder."""
    if Path(path).is_dir():
        from helm_safe.helm.kustomize import build

        return build("", Path(path), (), os.environ)[0]
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "Name a file as `helm template` writes it.") from error


def _show(args: argparse.Namespace, subject: Subject, findings: Sequence[Finding]) -> None:
    if args.output == "text":
        from helm_safe.report.console import console
        from helm_safe.report.findings import show_findings

        show_findings(console(no_color=args.no_color), findings)
    elif args.output in options.FORMATS:
        from helm_safe.report.document import write_document

        write_document({"findings": [finding.to_json() for finding in findings]}, args.output)
    else:
        from helm_safe.checks.run import all_checks
        from helm_safe.report.pipelines import Rule, written

        rules = [Rule(each.id, each.title, each.summary, each.remedy) for each in all_checks()]
        sys.stdout.write(written(args.output, subject, rules, findings))


def _fails(finding: Finding, level: str) -> bool:
    from helm_safe.core.findings import Severity, Status

    if finding.status is Status.UNVERIFIED:
        return level == "unverified"
    return finding.blocks or (
        level != "error" and finding.status is Status.FAIL and finding.severity is Severity.WARNING
    )
