"""`pause RELEASE` and `promote RELEASE`: wishes for the process that works on the run, wherever it is."""

from __future__ import annotations

import argparse

from helm_safe.cli import options
from helm_safe.model.errors import OK

WORDS = {
    "pause": "The run holds at its next safe point, users stay where they are then; `resume` lets it go on.",
    "promote": "The gate of the step under way is passed, unless it finds something bad.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import status, wiring
    from helm_safe.rollback.control import request
    from helm_safe.rollback.runs import latest_run

    world, release = wiring.open_world(args, wiring.reporter_of(args))
    approved = request(world, release, args.command)
    state = latest_run(world, release)
    if args.output == "text":
        from helm_safe.report.console import console, line

        words = WORDS[args.command]
        if approved and state:
            alive = f"{state.holder.identity} goes on within seconds; where it died, " if state.holder else ""
            words = f"Approved: {approved}; {alive}`resume` goes on with it."
        line(console(no_color=args.no_color), words)
    elif state:
        from helm_safe.report.document import write_document

        write_document(status.document(state), args.output)
    return OK
