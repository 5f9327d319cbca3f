"""`plan RELEASE [REVISION]`: checks, strategy and steps; changes nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import BLOCKED, OK

if TYPE_CHECKING:
    from helm_safe.rollback.prepare import Prepared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """0 when the rollback could go ahead, 3 when something blocks it or speaks against it."""
    prepared = prepare(args)
    if args.output == "text":
        show_text(args, prepared)
    else:
        from helm_safe.report.document import write_document

        write_document(document(prepared), "json" if args.output == "jsonl" else args.output)
    return BLOCKED if any(finding.blocks for finding in prepared.findings) else OK


def prepare(args: argparse.Namespace) -> Prepared:
    from helm_safe.cli import wiring
    from helm_safe.rollback.prepare import prepare as prepare_run

    number = options.revision_number(args.revision)
    world, release, asked = wiring.open_asked(args, wiring.reporter_of(args), wiring.settings_of(args))
    return prepare_run(world, release, number, asked)


def show_text(args: argparse.Namespace, prepared: Prepared) -> None:
    from helm_safe.report.console import console, line
    from helm_safe.report.findings import show_findings
    from helm_safe.report.plan import show_plan

    out = console(no_color=args.no_color)
    if prepared.proposed:
        facts = "; ".join(prepared.evidence[prepared.plan.target].facts)
        line(out, f"Proposed: revision {prepared.plan.target}, the newest with evidence of having been good ({facts})")
    show_plan(out, prepared.plan)
    show_findings(out, prepared.findings)


def document(prepared: Prepared) -> dict[str, Any]:
    """The published shape (schema plan)."""
    return {
        **prepared.plan.to_json(),
        "chosen": prepared.plan.chosen,
        "proposed": prepared.proposed,
        "blocked": any(finding.blocks for finding in prepared.findings),
        "findings": [finding.to_json() for finding in prepared.findings],
    }
