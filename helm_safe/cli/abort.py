"""`abort RELEASE`: stop a run and put back what it changed."""

from __future__ import annotations

import argparse

from helm_safe.cli.resume import add_arguments, finish

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import wiring
    from helm_safe.model.settings import Settings
    from helm_safe.rollback import control

    world, release = wiring.open_world(args, wiring.reporter_of(args))
    control.abort(world, release, Settings())
    return finish(args, world, release)
