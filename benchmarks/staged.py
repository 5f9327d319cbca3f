"""A staged run over 50 workloads with 500 pods, in this process: `python -m benchmarks.staged NAMESPACE RELEASE`.

Prints one JSON object: peak memory of the process in MB, and API calls per second while it watches, at their busiest.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path

from benchmarks.world import open_world
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.events import Event
from helm_safe.model.policy import Annotated, resolve
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.rollback import control

WATCHING = ("SHIFT", "WATCH", "RETURN")
WINDOW = 10.0
FLAGS = {"steps": "50,100", "bake": "12s", "metrics.scrape.labels": "app=nobody"}


class Counting:
    """A reporter that notes how many API calls had been made at each event."""

    def __init__(self, cluster: KubeCluster) -> None:
        self.cluster = cluster
        self.marks: list[tuple[str, float, int]] = []

    def event(self, event: Event) -> None:
        self.marks.append((event.stage, time.monotonic(), sum(self.cluster.client.calls.values())))

    def busiest(self) -> float:
        """Calls per second over at least ten seconds of one watching stage, its steps' beginnings included."""
        rates = [0.0]
        for number, (stage, at, made) in enumerate(self.marks):
            later = takewhile(lambda mark, stage=stage: mark[0] == stage, self.marks[number:])
            far = next((mark for mark in later if mark[1] - at >= WINDOW), None) if stage in WATCHING else None
            if far:
                rates.append((far[2] - made) / (far[1] - at))
        return max(rates)


def main() -> None:
    namespace, name = sys.argv[1:]
    cluster = KubeCluster.connect(os.environ)
    reporter = Counting(cluster)
    settings = Settings(yes=True, accept={"GATE-001": "a benchmark has no users"}).settled(
        resolve(FLAGS, None, Annotated(0, {}), Annotated(0, {}))
    )
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(cluster, reporter, Path(folder))
        control.start(world, Release(namespace, name), 1, settings, show=lambda _: None, confirm=lambda _: True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak": peak, "calls": reporter.busiest()}))


if __name__ == "__main__":
    main()
