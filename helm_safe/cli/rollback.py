"""`helm safe-rollback RELEASE [REVISION]`: the guarded rollback."""

from __future__ import annotations

import argparse

from helm_safe.cli import options
from helm_safe.model.errors import OK

FORMATS = ("text", "json", "yaml", "jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_output(parser, FORMATS)
    parser.add_argument("-y", "--yes", action="store_true", help="go on without a question")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop; the same as `plan`")


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import plan, wiring
    from helm_safe.rollback.control import Prepared, start

    if args.dry_run:
        return plan.run(args)
    number = options.revision_number(args.revision)
    release, settings = wiring.release_of(args), wiring.settings_of(args)
    world = wiring.build_world(args, wiring.reporter_of(args))
    shown: list[Prepared] = []

    def show(prepared: Prepared) -> None:
        shown.append(prepared)
        if args.output == "text":
            plan.show_text(args, prepared)

    finished = None
    try:
        finished = start(world, release, number, settings, show=show, confirm=wiring.ask)
    finally:
        if args.output in ("json", "yaml") and shown:
            from helm_safe.report.document import write_document

            write_document(_document(shown[0], finished.progress.end if finished else ""), args.output)
    if args.output == "text":
        from helm_safe.report.console import console, line

        done = finished.progress.done
        line(console(no_color=args.no_color), f"{release.name} is back at revision {finished.plan.target}, as revision "
             f"{done['rollback'].get('revision')}. {done['watch'].get('message', '')}", "bold green")  # fmt: skip
    return OK


def _document(prepared: object, end: str) -> dict[str, object]:
    from helm_safe.cli.plan import document

    return {**document(prepared), "end": end or "not finished; `status` tells"}  # type: ignore[arg-type]
