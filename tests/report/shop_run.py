"""`python -m tests.report.shop_run FOLDER ARGUMENTS…`: the program itself, with a shop of fakes for its cluster.

Time passes a hundred times as fast as in the shop, so that a whole run takes seconds and can be met in its middle.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from helm_safe.cli import main, wiring
from helm_safe.journal import clock
from helm_safe.ports import Reporter
from tests.fakes.runs import RELEASE
from tests.fakes.shop import Shop
from tests.rollback.scenes import settings
from tests.rollback.test_staged import simple


def opened(made: Shop, args: argparse.Namespace, reporter: Reporter) -> tuple[Any, ...]:
    return replace(made.world, reporter=reporter), RELEASE, replace(settings(), yes=args.yes)


def run(folder: str, arguments: list[str]) -> int:
    made = simple(Path(folder))
    made.clock.passing.append(lambda seconds: time.sleep(seconds / 100))
    wiring.open_asked = lambda args, reporter, base: opened(made, args, reporter)  # type: ignore[assignment]
    clock.SystemClock = lambda: made.clock  # type: ignore[assignment,misc]
    return main.main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
