"""`autopsy RELEASE`: why a release fails, whether a rollback helps, and the evidence in a bundle; changes nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK, UsageError

if TYPE_CHECKING:
    from helm_safe.model.revisions import Release
    from helm_safe.rollback.autopsy import Inquest
    from helm_safe.rollback.casefile import Bundle
    from helm_safe.rollback.context import World


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_output(parser)
    options.add_known_good(parser)
    parser.add_argument("--output-dir", metavar="DIR", help="where the bundle is made (default: with those of runs)")
    parser.add_argument("--budget", metavar="TIME", default="30s", help="how long it may collect (default 30s)")


def run(args: argparse.Namespace) -> int:
    """0 when the evidence was collected, whatever it says. Raises UsageError for a folder that cannot be written."""
    from helm_safe.cli import wiring
    from helm_safe.model.evidence import current_of
    from helm_safe.model.settings import Settings
    from helm_safe.rollback.autopsy import asked_of, inquire

    seconds = _seconds(args.budget)
    world, release, asked = wiring.open_asked(args, wiring.reporter_of(args), Settings())
    history = world.releases.history(release)
    settings = asked.settle(current_of(history) or history.last, None)
    found = inquire(world, asked_of(world, history, settings.known_good_after), seconds=seconds)
    bundle = _keep(world, release, found, args.output_dir)
    _show(args, found, bundle)
    return OK


def _seconds(text: str) -> float:
    from helm_safe.core.quantities import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--budget: {error}", "Write a time such as 30s or 2m.") from error
    if seconds <= 0:
        raise UsageError(f"--budget {text} leaves no time", "Write a time such as 30s or 2m.")
    return seconds


def _keep(world: World, release: Release, found: Inquest, wanted: str | None) -> Bundle:
    """In a folder of its own, so that whatever is there already stays."""
    from helm_safe.files import safe_name
    from helm_safe.rollback.autopsy import folder_of, keep

    stamp = world.clock.now().strftime("autopsy-%Y%m%d-%H%M%S")
    theirs = Path(wanted) / safe_name(f"{release.name}-{stamp}") if wanted else None
    base = theirs or folder_of(world.evidence, release, stamp)
    folder = base
    try:
        for number in range(2, 1000):
            if not folder.exists() and not folder.with_name(f"{folder.name}.tar.gz").exists():
                break
            folder = base.with_name(f"{base.name}-{number}")
        return keep(found, folder)
    except OSError as error:
        raise UsageError(f"the evidence cannot be saved in {folder}: {error}", "Name another --output-dir.") from error


def _show(args: argparse.Namespace, found: Inquest, bundle: Bundle) -> None:
    body: dict[str, Any] = {**found.body, "folder": str(bundle.folder), "archive": str(bundle.archive or "")}
    body["notes"] = [*body["notes"], *(f"{name} did not fit into the bundle whole" for name in bundle.cut)]
    if args.output == "text":
        from helm_safe.report.console import console
        from helm_safe.report.inquest import show

        show(console(no_color=args.no_color), body, str(bundle.archive or bundle.folder))
    else:
        from helm_safe.report.document import write_document

        write_document(body, args.output)
