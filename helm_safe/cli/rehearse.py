"""`rehearse RELEASE [REVISION]`: one pod of the target away from all traffic, judged and removed."""

from __future__ import annotations

import argparse

from helm_safe.cli import options
from helm_safe.model.errors import FAILED, OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """0 when every pod came up and stayed so, 1 when one did not, 3 when it is not safe to try."""
    from helm_safe.cli import wiring
    from helm_safe.rollback.prepare import prepare
    from helm_safe.rollback.rehearsal import leftovers, rehearse

    number = options.revision_number(args.revision)
    world, release, asked = wiring.open_asked(args, wiring.reporter_of(args), wiring.settings_of(args))
    prepared = prepare(world, release, number, asked)
    leftovers(world, release.name, release.namespace)
    settings = prepared.snapshot.settings
    found = rehearse(world, prepared.snapshot, bake=min(settings.bake, 60.0), timeout=min(settings.timeout, 600.0))
    if args.output == "text":
        from helm_safe.report.console import console, line

        out = console(no_color=args.no_color)
        for each in found:
            verdict = "would start" if each.good else "would NOT start"
            line(out, f"{each.workload} {verdict}: {each.said}", "bold green" if each.good else "bold red")
            for words in (*(f"left out: {name}" for name in each.stripped), *each.signs):
                line(out, f"  {words}")
    else:
        from helm_safe.report.document import write_document

        body = {"target": prepared.plan.target, "rehearsed": [each.to_json() for each in found]}
        write_document(body, args.output)
    return OK if all(each.good for each in found) else FAILED
