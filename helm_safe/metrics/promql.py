"""Queries in PromQL, of a Prometheus or of anything that speaks its API (Thanos, Mimir, VictoriaMetrics)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import login
from helm_safe.metrics.http import Form, Http
from helm_safe.metrics.readings import Pair
from helm_safe.model.traffic import Reading
from helm_safe.ports import Clock, Cluster

STEP, MOST = 5.0, 500
"""Seconds between two points, more where a long time would bring more points than that."""


class PromqlQueries:
    """helm_safe.ports.QueryProvider. A query answers one series (`sum(...)`); one for a count the counter itself, not a
    rate of it.
    """

    summed = False

    def __init__(self, http: Http) -> None:
        self._http = http

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> PromqlQueries:
        """From the options `metrics.*` of the policy."""
        return cls(Http("Prometheus", options["url"], clock, login(env), options=options, env=env))

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        return self._http.readings(begin, end, lambda *time: self._points(query, *time))

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterable[Pair]:
        span = (end - begin).total_seconds()
        # Steps are counted from the start: a whole number of them before the end makes the last point the end.
        step = max(STEP, span / MOST)
        start = end.timestamp() - step * (span // step)
        fields = [
            ("query", query),
            ("start", f"{start:.3f}"),
            ("end", f"{end.timestamp():.3f}"),
            ("step", f"{step:.3f}"),
        ]
        said = self._http.json("/api/v1/query_range", body=Form(fields))
        if dig(said, "status") != "success" or dig(said, "data", "resultType") != "matrix":
            raise self._http.useless()
        found = sequence(said, "data", "result")
        if len(found) > 1:
            raise self._http.several(len(found), "sum(...)")
        return [(dig(pair, 0), dig(pair, 1)) for row in found for pair in sequence(mapping(row), "values")]
