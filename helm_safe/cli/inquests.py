"""`sandbox demo --story autopsy`: prepared failures on the real cluster, and what the autopsy says of each."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from helm_safe.cli.demo import teller
from helm_safe.model.errors import FAILED, OK

if TYPE_CHECKING:
    from helm_safe.cli.demo import Tell
    from helm_safe.sandbox.cluster import Sandbox
    from helm_safe.sandbox.demo.failing import Failure
    from helm_safe.sandbox.demo.inquests import Found


def run(args: argparse.Namespace) -> int:
    """0 only if nine of ten are named, and HOLD is said wherever no rollback would help."""
    from helm_safe.cli.sandbox import say
    from helm_safe.sandbox import layout
    from helm_safe.sandbox.cluster import Sandbox
    from helm_safe.sandbox.demo.failing import FAILURES
    from helm_safe.sandbox.demo.inquests import enough

    tell, was_up = teller(), args.name in layout.sweep()
    say("bringing the cluster up (the first time its programs are built, which takes minutes)")
    sandbox = Sandbox.up(args.name, binaries=args.binaries, say=say)
    try:
        found = play(sandbox, int(args.helm), FAILURES, tell)
    finally:
        if not was_up and not args.keep:
            sandbox.down()
    show(args, found)
    return OK if enough(found) else FAILED


def play(sandbox: Sandbox, major: int, failures: tuple[Failure, ...], tell: Tell) -> list[Found]:
    """One after the other."""
    from helm_safe.sandbox.demo.inquests import Inquest

    found = []
    for failure in failures:
        found.append(Inquest(sandbox, major, failure).hold())
        tell(f"{failure.name}: {found[-1].said}; {found[-1].advice}")
    return found


def show(args: argparse.Namespace, found: list[Found]) -> None:
    """The table, or its numbers."""
    if args.output != "text":
        from helm_safe.report.document import write_document

        write_document({"autopsies": [{**asdict(each), "right": each.right} for each in found]}, args.output)
        return
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    rows = [
        [each.failure, each.said, each.advice, "right" if each.right else "WRONG", f"{each.seconds:.1f} s"]
        for each in found
    ]
    table(out, ["what was done", "first suspicion", "what helps", "", "took"], rows)
    line(out, f"{sum(each.right for each in found)} of {len(found)} right.", "bold")
