"""`resume RELEASE`: go on with a run that was interrupted."""

from __future__ import annotations

import argparse

from helm_safe.cli import options
from helm_safe.model.errors import OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_watching(parser)


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import watching, wiring
    from helm_safe.model.settings import Settings
    from helm_safe.rollback import control

    with watching.watching(args) as reporter:
        world, release = wiring.open_world(args, reporter)
        watching.connect(reporter, world, release)
        resumed = control.resume(world, release, Settings())
    return finish(args, world, release) if resumed else OK


def finish(args: argparse.Namespace, world: object, release: object) -> int:
    """Show how the run stands now, in the format asked for."""
    from helm_safe.cli import status
    from helm_safe.rollback.runs import latest_run

    state = latest_run(world, release)  # type: ignore[arg-type]
    if state and args.output == "text":
        from helm_safe.report.console import console, line

        line(console(no_color=args.no_color), f"Run {state.run_id} ended {state.progress.end}.", "bold")
    elif state and args.output in ("json", "yaml"):
        from helm_safe.report.document import write_document

        write_document(status.document(state), args.output)
    return OK
