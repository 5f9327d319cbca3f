"""What runs today: a seeded sample of each matrix (the whole one with HELM_SAFE_FULL=1), for as long as there is time.

`@pytest.mark.matrix(8)` above a parametrised test: eight of its cases run, others each time. The seed is printed;
HELM_SAFE_SEED=NUMBER runs the same sample again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import defaultdict

import pytest

SEED = int(os.environ.get("HELM_SAFE_SEED") or random.SystemRandom().randrange(1_000_000))
FULL = os.environ.get("HELM_SAFE_FULL") == "1"
UNTIL = "HELM_SAFE_TESTS_UNTIL"
"""Seconds since the epoch after which no test against the real cluster is begun any more."""
SLOW = ("cluster", "dataplane")
NOMINAL = 0.12  # seconds of a Python that imports what `slowness` does


def pytest_report_header() -> str:
    return "matrices: whole" if FULL else f"matrices: a sample, HELM_SAFE_SEED={SEED}; whole with HELM_SAFE_FULL=1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the sample of each marked test; whoever names a case on the command line gets it."""
    if FULL or any("[" in word for word in config.args):
        return
    matrices: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("matrix"):
            matrices[item.nodeid.partition("[")[0]].append(item)
    left_out = {item for name, cases in matrices.items() for item in left_over(name, cases)}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what would begin too late; the summary names each."""
    if time_left() < 0 and any(item.get_closest_marker(name) for name in SLOW):
        pytest.skip(f"no time left ({UNTIL})")


def time_left() -> float:
    """Seconds in which tests may still begin."""
    return float(os.environ.get(UNTIL) or "inf") - time.time()


def slowness() -> float:
    """How much slower this machine is now than a quiet one, at least 1: bounds of seconds are stretched by it."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import json, argparse, asyncio"], check=True)
        took.append(time.perf_counter() - began)
    return max(1.0, sorted(took)[2] / NOMINAL)


def left_over(name: str, cases: list[pytest.Item]) -> list[pytest.Item]:
    """The cases of a matrix that do not run this time: the same ones for the same seed, whatever else is collected."""
    marker = cases[0].get_closest_marker("matrix")
    most = int(marker.args[0]) if marker else len(cases)
    ordered = sorted(cases, key=lambda item: item.nodeid)
    kept = random.Random(f"{SEED} {name}").sample(ordered, min(most, len(ordered)))
    return [item for item in ordered if item not in kept]
