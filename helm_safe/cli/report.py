"""`report RELEASE`: a run for a review, from its journal: HTML, Markdown or JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helm_safe.cli import options
from helm_safe.model.errors import OK, NotFound, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    parser.add_argument("-o", "--output", choices=("html", "md", "json"), default="md", help="format of the report")
    parser.add_argument("--run", metavar="RUN", help="an older run (default: the newest)")
    parser.add_argument("--file", metavar="FILE", help="write it there instead of to stdout")
    parser.add_argument("--no-color", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Raises NotFound where there is no such run."""
    from helm_safe.cli import wiring
    from helm_safe.files import write_private
    from helm_safe.journal.secret_store import runs_of
    from helm_safe.model.review import review
    from helm_safe.report.live import TextReporter
    from helm_safe.report.pages import page

    world, release = wiring.open_world(args, TextReporter(no_color=True, stderr=True))
    runs = runs_of(world.cluster, release)
    wanted = args.run or max(runs, default="")
    if wanted not in runs:
        known = f"Known: {', '.join(sorted(runs))}." if runs else "No run of this release has a journal in the cluster."
        raise NotFound(f"release {release} has no run {wanted}".strip(), known)
    try:
        text = page(review(release, wanted, runs[wanted]), args.output)
    except ValueError as error:
        raise NotFound(f"run {wanted} of {release} cannot be told: {error}") from error
    if not args.file:
        sys.stdout.write(text)
        return OK
    try:
        write_private(Path(args.file), text)
    except OSError as error:
        raise UsageError(f"--file {args.file}: {error}", "Name a file that can be written.") from error
    print(args.file)  # noqa: T201 - where it is
    return OK
