"""`watchdog RELEASE`: the guard of a run; `--watchdog` starts it in the cluster, and it runs anywhere else as well."""

from __future__ import annotations

import argparse

from helm_safe.cli import options
from helm_safe.model.errors import OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_output(parser, ("text", "jsonl"))
    options.add_option(parser, "in-cluster.after", "seconds without a sign of life after which it acts", metavar="TIME")
    parser.add_argument("--in-cluster", action="store_true", help="remove its own objects from the cluster in the end")


def run(args: argparse.Namespace) -> int:
    """Raises PersonNeeded where it found the native rollback done: users are on proven pods."""
    from helm_safe.cli import wiring
    from helm_safe.model.errors import PersonNeeded
    from helm_safe.rollback.guarding import remove
    from helm_safe.rollback.watchdog import stand

    reporter = wiring.reporter_of(args)
    after = _after(args)
    world, release = wiring.open_world(args, reporter)

    def leave() -> None:
        if args.in_cluster:
            remove(world, release)

    try:
        words = stand(world, release, after)
    except PersonNeeded:  # whatever else ends it: its Deployment starts it anew
        leave()
        raise
    leave()
    if args.output == "text":
        print(words)  # noqa: T201 - its only result
    return OK


def _after(args: argparse.Namespace) -> float:
    from helm_safe.model.policy import Annotated, resolve

    nothing = Annotated(0, {})
    return float(resolve(options.option_flags(args), None, nothing, nothing).value("in-cluster.after"))
