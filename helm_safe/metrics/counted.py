"""Counts of requests and errors from two queries of the user's: the statistical gate for any monitoring system.

A system that answers counts per interval (`summed`) is asked for the intervals since the last look, each of which is
added once, and only after it ended `lag` seconds ago: a count that may still grow is not counted. One that answers a
counter's total is asked for that, and what it grew by is added; a total that fell (a pod went, a process began anew)
adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from helm_safe.model.queries import filled
from helm_safe.model.traffic import Backend, NoData, NoSeries, Reading, Sample, Series
from helm_safe.ports import Clock, QueryProvider

LAG = 60.0
"""Seconds after which the count of an interval is taken to be complete, where the policy says nothing."""
LOOK_BACK = timedelta(minutes=5)
"""How far the first look reaches: far enough to tell a misnamed metric from one that was not asked for long."""
_NEWEST = timedelta(minutes=2)


@dataclass
class _Count:
    """What one backend was counted. until: the moment up to which; totals: of requests and errors when last seen."""

    until: datetime
    requests: float = 0.0
    errors: float = 0.0
    known: bool = False
    totals: tuple[float, float] | None = None


class CountedMetrics:
    """helm_safe.ports.MetricProvider.

    name: of the provider, for people. requests, errors: the queries; `$service` and `$namespace` are filled in. lag:
    seconds, None for LAG where counts are summed and 0 where they are totals. The Sample's `at` lies `lag` back.
    """

    def __init__(
        self, queries: QueryProvider, name: str, requests: str, errors: str, *, clock: Clock, lag: float | None = None
    ) -> None:
        self._queries = queries
        self._name = name
        self._requests = requests
        self._errors = errors
        self._clock = clock
        self._lag = lag if lag is not None else LAG if queries.summed else 0.0
        self._origin = f"your queries of {name}"
        self._counts: dict[Backend, _Count] = {}

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:
        back = self._lag + ago
        at, end = self._clock.monotonic() - back, self._clock.now() - timedelta(seconds=back)
        for backend in backends:
            count = self._counts.setdefault(backend, _Count(end - LOOK_BACK))
            if self._queries.summed:
                self._add_intervals(backend, count, end)
            else:
                self._add_growth(backend, count, end)
        if not any(count.known for count in self._counts.values()):
            raise NoSeries(
                f"{self._name} has no requests of any of {', '.join(map(str, backends))}",
                "See that metrics.requests names the metric right, and that requests come in.",
            )
        return {backend: self._sample(self._counts[backend], at) for backend in backends}

    def _add_intervals(self, backend: Backend, count: _Count, end: datetime) -> None:
        requests = self._readings(self._requests, backend, count.until, end)
        if not requests:
            return
        errors = self._readings(self._errors, backend, count.until, end)
        self._see_errors(backend, errors)
        # An interval whose errors are not there yet waits for them.
        until = min(requests[-1].at, errors[-1].at)
        count.requests += _sum(requests, until)
        count.errors += _sum(errors, until)
        count.until, count.known = datetime.fromtimestamp(until, timezone.utc), True

    def _add_growth(self, backend: Backend, count: _Count, end: datetime) -> None:
        requests = self._readings(self._requests, backend, end - _NEWEST, end)
        if not requests:
            return
        errors = self._readings(self._errors, backend, end - _NEWEST, end)
        self._see_errors(backend, errors)
        totals = requests[-1].value, errors[-1].value
        if count.totals:
            count.requests += max(totals[0] - count.totals[0], 0.0)
            count.errors += max(totals[1] - count.totals[1], 0.0)
        count.totals, count.known = totals, True

    def _readings(self, query: str, backend: Backend, begin: datetime, end: datetime) -> Sequence[Reading]:
        """Empty where the system knows of none."""
        text = filled(query, {"service": backend.name, "namespace": backend.namespace})
        try:
            return self._queries.series(text, begin, end) if begin < end else []
        except NoSeries:
            return []

    def _see_errors(self, backend: Backend, errors: Sequence[Reading]) -> None:
        """A missing series may be a misnamed one: it is not taken for zero errors."""
        if not errors:
            what = f"{self._name} has requests of {backend} and no answer for its errors"
            advice = "docs/metrics.md says how to write that for each provider."
            raise NoData(f"{what}: metrics.errors must answer 0 where there are none", advice)

    def _sample(self, count: _Count, at: float) -> Sample:
        if not count.known:
            return Sample(at, frozenset({self._name}), origin=self._origin)
        series: Series = (self._name,)
        requests, errors = {series: count.requests}, {series: min(count.errors, count.requests)}
        return Sample(at, frozenset(series), requests, errors, origin=self._origin)


def _sum(counts: Iterable[Reading], until: float) -> float:
    return sum(count.value for count in counts if count.at <= until and count.value > 0)
