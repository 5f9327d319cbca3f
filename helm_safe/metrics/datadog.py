"""Queries of Datadog: `sum:trace.http.request.hits{service:$service}.as_count().rollup(sum, 10)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import keyed
from helm_safe.metrics.http import Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, number, seconds
from helm_safe.ports import Clock, Cluster

URL = "https://api.datadoghq.com"
"""The site US1; the others are api.datadoghq.eu, api.us3.datadoghq.com and so on."""


class DatadogQueries(HttpQueries):
    """The API "query timeseries points". A query answers one series."""

    summed = True

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> DatadogQueries:
        """From the options `metrics.*` of the policy. Raises UsageError without DD_API_KEY and DD_APP_KEY."""
        keys = keyed(env, {"DD-API-KEY": ("DD_API_KEY", ""), "DD-APPLICATION-KEY": ("DD_APP_KEY", "")})
        return cls(Http("Datadog", options["url"] or URL, clock, keys, options=options, env=env))

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterator[Pair]:
        wanted = {"from": f"{begin.timestamp():.0f}", "to": f"{end.timestamp():.0f}", "query": query}
        said = self._http.json("/api/v1/query", query=wanted)
        if dig(said, "status") == "error" or dig(said, "error"):
            raise self._http.refused(dig(said, "error") or "it does not say why")
        if not isinstance(dig(said, "series"), list):
            raise self._http.useless()
        found = sequence(said, "series")
        if len(found) > 1:
            raise self._http.several(len(found), "sum:...{...} without `by {...}`")
        for row in found:
            interval = number(mapping(row).get("interval")) or 0.0
            # Points are named by the begin of their interval, in milliseconds.
            for point in sequence(row, "pointlist"):
                at = seconds(dig(point, 0))
                yield at and at + interval, dig(point, 1)
