"""Queries of Dynatrace: metric selectors such as `builtin:service.requestCount.total:filter(...):splitBy():sum`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import keyed
from helm_safe.metrics.http import Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, seconds
from helm_safe.ports import Clock, Cluster


class DynatraceQueries(HttpQueries):
    """The Metrics API v2. A query is a selector that answers one series."""

    summed = True

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> DynatraceQueries:
        """From the options `metrics.*` of the policy. Raises UsageError without DT_API_TOKEN."""
        token = keyed(env, {"Authorization": ("DT_API_TOKEN", "Api-Token ")})
        return cls(Http("Dynatrace", options["url"], clock, token, options=options, env=env))

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterator[Pair]:
        time = {name: f"{at.timestamp() * 1000:.0f}" for name, at in (("from", begin), ("to", end))}
        said = self._http.json("/api/v2/metrics/query", query={"metricSelector": query, **time, "resolution": "1m"})
        if not isinstance(dig(said, "result"), list):
            raise self._http.useless()
        found = [row for metric in sequence(said, "result") for row in sequence(mapping(metric), "data")]
        if len(found) > 1:
            raise self._http.several(len(found), ":splitBy()")
        for row in found:
            # The timestamps are the ends of the slots already, in milliseconds.
            for at, value in zip(sequence(row, "timestamps"), sequence(row, "values"), strict=False):
                yield seconds(at), value
