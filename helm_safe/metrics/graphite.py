"""Queries of Graphite: targets such as `sumSeries(stats_counts.http.$service.requests)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.objects import dig, sequence
from helm_safe.metrics.credentials import login
from helm_safe.metrics.http import Form, Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, ended
from helm_safe.ports import Clock, Cluster

BEFORE = timedelta(minutes=10)
"""Asked for as well: an answer does not say how long an interval is, two points do."""
_FALLBACK = 60.0


class GraphiteQueries(HttpQueries):
    """The render API. A query is a target that answers one series; one for a count
    answers counts per interval, as StatsD writes them.
    """

    summed = True

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> GraphiteQueries:
        """From the options `metrics.*` of the policy."""
        return cls(Http("Graphite", options["url"], clock, login(env), options=options, env=env))

    def _points(self, query: str, begin: datetime, end: datetime) -> Sequence[Pair]:
        first, last = (begin - BEFORE).timestamp(), end.timestamp()
        fields = [("target", query), ("from", f"{first:.0f}"), ("until", f"{last:.0f}"), ("format", "json")]
        said = self._http.json("/render", body=Form(fields))
        if not isinstance(said, list):
            raise self._http.useless()
        if len(said) > 1:
            raise self._http.several(len(said), "sumSeries(...)")
        points = [point for row in said for point in sequence(row, "datapoints")]
        return ended([(dig(point, 1), dig(point, 0)) for point in points], _FALLBACK)
