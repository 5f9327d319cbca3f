"""`helm safe-rollback RELEASE [REVISION]`: the guarded rollback."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK

if TYPE_CHECKING:
    from helm_safe.rollback.context import Run
    from helm_safe.rollback.prepare import Prepared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_watching(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="go on without a question")
    options.add_in_cluster(parser)
    options.add_telling(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop; the same as `plan`")


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import plan, watching, wiring
    from helm_safe.rollback.control import start

    if args.dry_run:
        return plan.run(args)
    if args.in_cluster or args.print_manifests:
        from helm_safe.cli import in_cluster

        return in_cluster.run(args)
    if args.or_resume and _unfinished(args):
        from helm_safe.cli import resume

        return resume.run(args)
    number = options.revision_number(args.revision)
    shown: list[dict[str, Any]] = []

    def show(prepared: Prepared) -> None:
        shown.append(plan.document(prepared))
        if args.output == "text":
            plan.show_text(args, prepared)

    end = "not finished; `status` tells"
    try:
        with watching.watching(args) as reporter:
            world, release, asked = wiring.open_asked(args, reporter, wiring.settings_of(args))
            watching.connect(reporter, world, release)
            finished = start(world, release, number, asked, show=show, confirm=watching.asking(reporter))
        end = finished.progress.end
    finally:
        if args.output in ("json", "yaml") and shown:
            from helm_safe.report.document import write_document

            write_document({**shown[0], "end": end}, args.output)
    if args.output == "text":
        from helm_safe.report.console import console, line

        line(console(no_color=args.no_color), closing_words(finished), "bold green")
    return OK


def _unfinished(args: argparse.Namespace) -> bool:
    from helm_safe.cli import wiring
    from helm_safe.rollback.runs import latest_run

    state = latest_run(*wiring.open_world(args, wiring.reporter_of(args)))
    return state is not None and state.unfinished


def closing_words(run: Run) -> str:
    """What is true now, in one sentence."""
    done = run.progress.done
    restored = done.get("rollback", {}).get("revision", "?")
    watched = str(done.get("watch", {}).get("message", ""))
    return f"{run.release.name} is back at revision {run.plan.target}, as revision {restored}. {watched}"
