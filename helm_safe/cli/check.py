"""`check RELEASE [REVISION]`: findings only; changes nothing."""

from __future__ import annotations

import argparse

from helm_safe.cli.plan import add_arguments, prepare
from helm_safe.model.errors import BLOCKED, OK

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """0 when nothing blocks, else 3."""
    prepared = prepare(args)
    if args.output == "text":
        from helm_safe.report.console import console
        from helm_safe.report.findings import show_findings

        show_findings(console(no_color=args.no_color), prepared.findings)
    else:
        from helm_safe.report.document import write_document

        write_document({"findings": [finding.to_json() for finding in prepared.findings]}, args.output)
    return BLOCKED if any(finding.blocks for finding in prepared.findings) else OK
