"""Queries in NRQL, of New Relic: `SELECT count(*) FROM Transaction WHERE appName = '$service'`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import keyed
from helm_safe.metrics.http import Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, number
from helm_safe.model.traffic import NoData, Reading
from helm_safe.ports import Clock, Cluster

URL = "https://api.newrelic.com"
"""The region US; the European one is https://api.eu.newrelic.com."""
INTERVAL, MOST = 10, 300
"""Seconds of a bucket, more where a long time would have more buckets than that; the API bears 366."""
_QUESTION = "query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }"
_TIME = re.compile(r"(?i)\b(since|until|timeseries|facet)\b")
_PASSING = ("TIMEOUT", "SERVER_ERROR", "TOO_MANY_REQUESTS", "RATE_LIMIT")
_TOLD = ("beginTimeSeconds", "endTimeSeconds", "inspectedCount", "facet")


class NewRelicQueries(HttpQueries):
    """NerdGraph. A query selects one number; SINCE, UNTIL and TIMESERIES are added to it."""

    summed = True

    def __init__(self, http: Http, account: int) -> None:
        super().__init__(http)
        self._account = account

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> NewRelicQueries:
        """From the options `metrics.*` of the policy. Raises UsageError without NEW_RELIC_API_KEY."""
        key = keyed(env, {"API-Key": ("NEW_RELIC_API_KEY", "")})
        http = Http("New Relic", options["url"] or URL, clock, key, options=options, env=env)
        return cls(http, options["newrelic.account"])

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        words = _TIME.search(query)
        if words:
            raise self._http.refused(f"{words[0]!r} in the query: the time is added to it, and one series is wanted")
        return super().series(query, begin, end)

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterator[Pair]:
        seconds = max(INTERVAL, math.ceil((end - begin).total_seconds() / MOST))
        time = f"SINCE {begin.timestamp() * 1000:.0f} UNTIL {end.timestamp() * 1000:.0f} TIMESERIES {seconds} seconds"
        variables = {"account": self._account, "nrql": f"{query} {time}"}
        said = self._http.json("/graphql", body={"query": _QUESTION, "variables": variables})
        self._see_errors(said)
        found = dig(said, "data", "actor", "account", "nrql", "results")
        if not isinstance(found, list):
            raise self._http.useless()
        for row in found:
            yield mapping(row).get("endTimeSeconds"), self._value(mapping(row))

    def _see_errors(self, said: Any) -> None:
        """NerdGraph answers 200 and tells in the body what went wrong."""
        for error in sequence(said, "errors"):
            kind = str(dig(error, "extensions", "errorClass") or dig(error, "extensions", "code") or "")
            words = dig(error, "message") or kind
            if any(each in kind.upper() for each in _PASSING):
                raise NoData(f"{self._http.name} cannot answer now: {self._http.shown(words)}")
            raise self._http.refused(words)

    def _value(self, row: Mapping[str, Any]) -> float | None:
        """The one number of a bucket; that of a percentile is one level deeper."""
        values = [value for name, value in row.items() if name not in _TOLD]
        if len(values) == 1 and isinstance(values[0], dict):
            values = list(values[0].values())
        if len(values) > 1:
            raise self._http.refused("the query selects several numbers, one is wanted")
        return number(values[0]) if values else None
