"""Queries in PromQL, of a Prometheus or of anything that speaks its API (Thanos, Mimir, VictoriaMetrics)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.metrics.prometheus_api import Api
from helm_safe.metrics.readings import Pair, several
from helm_safe.model.traffic import Reading
from helm_safe.ports import Clock, Cluster

STEP, MOST = 5.0, 500
"""Seconds between two points, more where a long time would bring more points than that."""


class PromqlQueries:
    """helm_safe.ports.QueryProvider. A query answers one series (`sum(...)`); one for a count the counter itself, not a
    rate of it.
    """

    summed = False

    def __init__(self, api: Api) -> None:
        self._api = api

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> PromqlQueries:
        """From the options `metrics.*` of the policy."""
        return cls(Api.opened(options, cluster, clock, env))

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        return self._api.readings(begin, end, lambda *time: self._points(query, *time))

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterable[Pair]:
        span = (end - begin).total_seconds()
        # Steps are counted from the start: a whole number of them before the end makes the last point the end.
        step = max(STEP, span / MOST)
        found = self._api.matrix(query, end.timestamp() - step * (span // step), end.timestamp(), step)
        if len(found) > 1:
            raise several(self._api.name, len(found), "write sum(...)")
        return [pair for row in found for pair in row]
