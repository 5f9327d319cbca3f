"""The gateway's counters out of a Prometheus, or of anything that speaks its API, by instant queries.

Counters are asked for as they are, not as rates: the window is then exactly the step's, whatever the range of a rate
would have blurred, and several processes of the gateway stay apart.

An instant query answers with values of up to five minutes ago, so a target that died looks alive and quiet. Therefore
each process's last scrape is asked for, and who was not scraped for longer than two and a half intervals is no source.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from helm_safe.metrics.absence import Absent
from helm_safe.metrics.choice import Choice
from helm_safe.metrics.dialect import EXPORTED, Dialect, Labels, Matchers, one_of
from helm_safe.metrics.exposition import Point
from helm_safe.metrics.places import Memory, Places
from helm_safe.metrics.prometheus_api import Api
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.ports import Clock, Cluster

PROCESS = ("cluster", "instance", "pod", "kubernetes_pod_name")
"""Labels that name a process of the gateway."""
POD_LABELS = ("pod", "kubernetes_pod_name")
VIEW = ("job", "prometheus", "prometheus_replica", "replica")
"""Labels that differ where one process is scraped twice, by two jobs or by two replicas of a Prometheus."""
COUNTED = 120.0
"""Seconds whose scrapes are counted, to know the interval between them."""
MISSED, SLACK = 2.5, 5.0
"""A process is dead after so many intervals, and some seconds, without a scrape."""
LONGEST = 60.0
"""The longest interval between scrapes that is believed; it is that of a Prometheus nobody configured."""
SAME = 0.5
"""Seconds of difference between the ages of one scrape, told twice."""


class Life(NamedTuple):
    """One process as one job of one Prometheus sees it. age: seconds since its last scrape."""

    source: str
    age: float


class PrometheusMetrics:
    """helm_safe.ports.MetricProvider. gateway: the name of a dialect, or "auto"."""

    def __init__(self, api: Api, cluster: Cluster, clock: Clock, gateway: str = "auto") -> None:
        self._api = api
        self._cluster = cluster
        self._clock = clock
        self._choice = Choice(gateway)
        self._memory = Memory()
        self._at = -math.inf
        self._scraped: dict[str, float] = {}
        self._intervals: dict[str, float] = {}

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> PrometheusMetrics:
        """From the options `metrics.*` of the policy. Raises UsageError for what cannot be used."""
        return cls(Api.opened(options, cluster, clock, env), cluster, clock, options["gateway"])

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:
        places = Places(self._cluster, self._memory, self._clock.monotonic())
        dialect = self._choice.made(lambda each: self._counts(each, backends, places), self._nowhere)
        told = dialect.matchers(backends, places)
        wanted = [matchers for each in told.values() for matchers in each]
        found = [point for name in (dialect.requests, dialect.durations) for point in self._points(name, wanted, ago)]
        lives = self._lives(dialect, _signs(dialect, backends, places), ago)
        if dialect.door and not found and not ago:
            door = self._points(dialect.door.metric, [{}], 0.0)
            self._choice.see_that_services_are_counted((_source(point.labels), point) for point in door)
        pairs = [(_source(point.labels), point) for point in found]
        at = self._moment(max(each.age for each in lives))
        sources = frozenset(each.source for each in lives)
        return {backend: dialect.sample(pairs, told[backend], sources, at) for backend in backends}

    def _moment(self, age: float) -> float:
        """When the numbers were taken, in monotonic seconds; exactly that of the last sample for the same scrape."""
        at = self._clock.monotonic() - age
        if abs(at - self._at) >= SAME:
            self._at = at
        return self._at

    def _counts(self, dialect: Dialect, backends: Sequence[Backend], places: Places) -> bool:
        """Whether it counts one of the Services. Raises Absent where it is not there at all."""
        told = dialect.matchers(backends, places)
        wanted = [matchers for each in told.values() for matchers in each]
        pairs = [(_source(point.labels), point) for point in self._points(dialect.requests, wanted, 0.0)]
        sources = frozenset(source for source, _ in pairs)
        if any(dialect.sample(pairs, told[each], sources, 0.0).requests for each in backends):
            return True
        self._lives(dialect, _signs(dialect, backends, places), 0.0)
        return False

    def _nowhere(self, tried: Sequence[tuple[Dialect, Absent]]) -> Absent:
        names = ", ".join(dialect.title for dialect, _ in tried)
        return Absent(
            f"{self._api.name} has no metrics of a gateway or mesh that is known ({names})",
            "See that it scrapes the gateway, or leave --metrics away: the gateway is then asked itself.",
        )

    def _points(self, name: str, wanted: Sequence[Matchers], ago: float) -> list[Point]:
        if not wanted:
            return []
        rows = self._api.vector(query_for(name, wanted, ago))
        return [
            Point(labels.get("__name__", name), _own(labels), value)
            for labels, _, value in rows
            if 0 <= value < math.inf
        ]

    def _lives(self, dialect: Dialect, signs: Sequence[str], ago: float) -> list[Life]:
        """One view of each process that was scraped lately. Raises NoData where there is none."""
        seen = self._api.vector(" or ".join(f"timestamp({sign}{_offset(ago)})" for sign in signs)) if signs else []
        if not seen:
            raise Absent(
                f"{self._api.name} has no metrics of {dialect.title} ({dialect.sign.metric})",
                f"{dialect.remedy}, and see that the Prometheus scrapes it. metrics.gateway names another gateway.",
            )
        counts = " or ".join(f"count_over_time({sign}[{COUNTED:.0f}s]{_offset(ago)})" for sign in signs)
        for labels, _, count in self._api.vector(counts):
            self._learn(_source(labels), COUNTED / max(count, 1.0))
        ages = [(labels, now - at) for labels, now, at in seen if math.isfinite(at)]
        for labels, _, at in seen:
            self._see(_source(labels), at)
        fresh = [each for each in ages if each[1] - ago <= self._patience(_source(each[0]))]
        if not fresh:
            age = min((age for _, age in ages), default=0.0)
            raise NoData(
                f"the newest numbers of {dialect.title} that {self._api.name} has are {age:.0f} s old",
                f"See whether it still scrapes {dialect.title}.",
            )
        return _one_view_each(fresh)

    def _see(self, source: str, scraped: float) -> None:
        last = self._scraped.get(source, scraped)
        if scraped > last:
            self._learn(source, scraped - last)
        self._scraped[source] = max(scraped, last)

    def _learn(self, source: str, interval: float) -> None:
        """Both what is counted and what is seen may be multiples of the interval: the shortest is believed."""
        self._intervals[source] = min(interval, self._intervals.get(source, LONGEST))

    def _patience(self, source: str) -> float:
        """How old the last scrape of a living process may be."""
        return MISSED * self._intervals.get(source, LONGEST) + SLACK


def _signs(dialect: Dialect, backends: Iterable[Backend], places: Places) -> list[str]:
    """Selectors of the sign; of a mesh only that of the proxies beside the Services' pods, not those of everybody."""
    sign = dialect.sign
    if not dialect.proxies.beside:
        return [f"{sign.metric}{_selector(sign.labels, exact=True)}"]
    pods = one_of({pod for backend in backends for pod in places.pods(backend)})
    exact = {name: re.escape(value) for name, value in sign.labels.items()}
    return [f"{sign.metric}{_selector({**exact, label: pods})}" for label in POD_LABELS] if pods else []


def query_for(name: str, wanted: Iterable[Matchers], ago: float = 0.0) -> str:
    """PromQL for one counter of some Services, whichever labels the Prometheus renamed."""
    selectors = [f"{name}{_selector(each)}{_offset(ago)}" for matchers in wanted for each in _variants(matchers)]
    return " or ".join(dict.fromkeys(selectors))


def _variants(matchers: Matchers) -> list[Matchers]:
    """A Prometheus renames the labels that its target has as well, and which ones that are differs: every combination
    is asked for, and what is too much is sorted out afterwards.
    """
    choices: list[Matchers] = [{name: pattern for name, pattern in matchers.items() if name not in EXPORTED}]
    for name in filter(EXPORTED.__contains__, matchers):
        choices = [{**each, shape: matchers[name]} for each in choices for shape in (name, f"exported_{name}")]
    return choices


def _selector(labels: Matchers, *, exact: bool = False) -> str:
    operator = "=" if exact else "=~"
    parts = [f"{name}{operator}{json.dumps(pattern)}" for name, pattern in labels.items()]
    return f"{{{','.join(parts)}}}" if parts else ""


def _offset(ago: float) -> str:
    return f" offset {ago:.0f}s" if ago else ""


def _one_view_each(fresh: Iterable[tuple[Labels, float]]) -> list[Life]:
    """Of several views of one process always the same one, while it lives: its requests must not count twice."""
    chosen: dict[tuple[str, ...], Life] = {}
    for life, labels in sorted(
        ((Life(_source(labels), age), labels) for labels, age in fresh), key=lambda each: each[0]
    ):
        chosen.setdefault(tuple(labels.get(name, "") for name in PROCESS), life)
    return list(chosen.values())


def _source(labels: Labels) -> str:
    return "/".join(labels.get(name, "") for name in (*PROCESS, *VIEW))


def _own(labels: Labels) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "__name__"}
