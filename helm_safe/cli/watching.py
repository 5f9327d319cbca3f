"""What a person sees of a run: the live screen on a terminal, lines everywhere else."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from helm_safe.cli import wiring
from helm_safe.model.errors import HelmSafeError

if TYPE_CHECKING:
    from helm_safe.model.revisions import Release
    from helm_safe.ports import Confirm, Reporter
    from helm_safe.report.screen import Screen
    from helm_safe.rollback.context import World


def watching(args: argparse.Namespace) -> AbstractContextManager[Reporter]:
    """The reporter of a run; when it is left, the terminal is as before."""
    if args.output == "text" and not plain(args):
        from helm_safe.report import screen

        if screen.possible(sys.stdout):
            from helm_safe.journal.clock import SystemClock
            from helm_safe.report.keys import Keys

            return screen.Screen(SystemClock(), no_color=args.no_color, keys=Keys.of(sys.stdin))
    return nullcontext(wiring.reporter_of(args))


def plain(args: argparse.Namespace) -> bool:
    """Whether lines are wanted: what a screen reader reads."""
    return bool(args.plain or os.environ.get("HELM_SAFE_PLAIN"))


def connect(reporter: Reporter, world: World, release: Release) -> None:
    """Give the keys of a screen their effect: the same requests as those of the commands."""
    made = _screen(reporter)
    if made is None:
        return

    def press(verb: str) -> str:
        from helm_safe.rollback.control import request

        try:
            request(world, release, verb)
        except HelmSafeError as error:
            return f"{verb}: {error.message}"
        return f"you asked for this: {verb}"

    base = "helm safe-rollback" if os.environ.get("HELM_PLUGIN_NAME") else "helm-safe"
    made.connect(press, f"{base} pause|promote|abort {release.name} -n {release.namespace}")


def asking(reporter: Reporter) -> Confirm:
    """A question on the terminal, also in the middle of a run."""
    made = _screen(reporter)

    def ask(question: str) -> bool:
        with made.suspended() if made else nullcontext():
            return wiring.ask(question)

    return ask


def _screen(reporter: Reporter) -> Screen | None:
    from helm_safe.report.screen import Screen

    return reporter if isinstance(reporter, Screen) else None
