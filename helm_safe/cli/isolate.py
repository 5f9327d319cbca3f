"""`isolate RELEASE [--to SERVICE]`: all users to a backend that has proved itself, now."""

from __future__ import annotations

import argparse

from helm_safe.cli import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_watching(parser)
    options.add_telling(parser)
    parser.add_argument("--to", metavar="SERVICE", default="", help="the backend (default: the one that is found)")
    parser.add_argument("-y", "--yes", action="store_true", help="go on without a question")


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import resume, watching, wiring
    from helm_safe.rollback.isolation import isolate

    with watching.watching(args) as reporter:
        world, release, asked = wiring.open_asked(args, reporter, wiring.settings_of(args))
        isolate(world, release, args.to, asked, watching.asking(reporter))
    return resume.finish(args, world, release)
