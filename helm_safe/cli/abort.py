"""`abort RELEASE`: stop a run and put back what it changed."""

from __future__ import annotations

import argparse

from helm_safe.cli import resume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    resume.add_arguments(parser)
    parser.add_argument(
        "--undo-isolate", action="store_true", help="also put back the routes of an isolation, which is kept otherwise"
    )


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import watching, wiring
    from helm_safe.model.errors import NotFound
    from helm_safe.model.settings import Settings
    from helm_safe.rollback import control

    with watching.watching(args) as reporter:
        world, release = wiring.open_world(args, reporter)
        try:
            control.abort(world, release, Settings())
        except NotFound:
            if not args.undo_isolate:
                raise
        if args.undo_isolate:
            control.undo_isolation(world, release, Settings())
    return resume.finish(args, world, release)
