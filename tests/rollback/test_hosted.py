"""Whole rollbacks judged by a hosted system that counts by intervals and learns late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from helm_safe.metrics.counted import CountedMetrics
from helm_safe.model.policy import Annotated, Policy, resolve
from helm_safe.model.traffic import Backend, NoSeries, Reading
from helm_safe.rollback.gate import idle_after
from tests.fakes.crowd import Profile
from tests.fakes.runs import FakeClock
from tests.fakes.trials import Decision, Trial

GOOD, BAD = Profile(), Profile(errors=0.3)


class Hosted:
    """helm_safe.ports.QueryProvider: what the crowd did, by intervals, known `late` seconds after their end."""

    summed = True

    def __init__(self, trial: Trial, interval: float, late: float) -> None:
        self.trial, self.interval, self.late = trial, interval, late
        self.counts: dict[str, dict[float, float]] = {}
        self.known: dict[tuple[str, Backend], float] = {}
        trial.shop.clock.passing.append(self._count)

    def _count(self, _seconds: float) -> None:
        ends = (self.trial.shop.clock.now().timestamp() // self.interval + 1) * self.interval
        for what in ("requests", "errors"):
            for backend, total in getattr(self.trial.crowd, what).items():
                counts = self.counts.setdefault(f"{what} {backend.name}", {})
                counts[ends] = counts.get(ends, 0.0) + total - self.known.get((what, backend), 0.0)
                self.known[what, backend] = total

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        known = min(end.timestamp(), self.trial.shop.clock.now().timestamp() - self.late)
        found = [Reading(*pair) for pair in self.counts.get(query, {}).items() if begin.timestamp() < pair[0] <= known]
        if not found:
            raise NoSeries("no numbers")
        return found


def decided(folder: Path, target: Profile, interval: float, lag: float) -> tuple[Trial, Decision]:
    """The run, and how it ended. The crowd comes for ten minutes before it."""
    policy = {"metrics.provider": "datadog", "metrics.requests": "x", "metrics.errors": "y", "metrics.lag": lag}
    trial = Trial(folder, target, GOOD, policy=policy, flags={"timeout": "1h"})
    hosted = Hosted(trial, interval, lag - interval)
    for _ in range(600):
        trial.shop.clock.sleep(1)
    clock: FakeClock = trial.shop.clock

    def metrics(_: object) -> CountedMetrics:
        return CountedMetrics(hosted, "datadog", "requests $service", "errors $service", clock=clock, lag=lag)

    trial.shop.world = replace(trial.shop.world, metrics=metrics)
    return trial, trial.run()


@pytest.mark.parametrize(("interval", "lag"), [(10, 60), (60, 180)])
def test_a_good_version_passes_by_the_users_it_met(tmp_path: Path, interval: float, lag: float) -> None:
    """Silence while the numbers are on their way is no idle hour: no requests of our own decide."""
    trial, decision = decided(tmp_path, GOOD, interval, lag)
    assert decision.word == "promoted", decision.said
    steps = [words for words in trial.shop.words() if "% actual" in words and ", after " in words]
    assert len(steps) >= 4
    assert not any("too few" in words for words in trial.shop.words())


@pytest.mark.parametrize(("interval", "lag"), [(10, 60), (60, 180)])
def test_a_bad_version_stops_at_the_first_step(tmp_path: Path, interval: float, lag: float) -> None:
    _, decision = decided(tmp_path, BAD, interval, lag)
    assert decision.word == "stopped", decision.said
    assert "at 1 %" in decision.said
    assert not decision.committed


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 8),
        ({"metrics.url": "http://p:9090"}, 60),
        ({"metrics.provider": "datadog"}, 60),
        ({"metrics.provider": "cloudwatch", "metrics.lag": 180.0}, 240),
    ],
)
def test_nobody_is_called_absent_before_the_system_could_know(values: dict[str, object], seconds: float) -> None:
    nothing = Annotated(1, {})
    assert idle_after(resolve({}, Policy("p.yaml", values), nothing, nothing)) == seconds
