"""Queries of InfluxDB: Flux (v2, Cloud), InfluxQL (v1, v2, v3) and SQL (v3)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import TOKEN, USER, Login, keyed, login
from helm_safe.metrics.http import Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, ended, moment, seconds, written
from helm_safe.model.queries import names_time, timed
from helm_safe.model.traffic import Reading
from helm_safe.ports import Clock, Cluster


class InfluxQueries(HttpQueries):
    """A query names the time by `$begin` and `$end`, which are filled in as the language wants them, and answers one
    series: Flux the columns `_time` (or `_stop`) and `_value`; InfluxQL and SQL `time`, the begin of an interval, and
    one more. One row without a time of its own stands for the whole time.
    """

    summed = True

    def __init__(self, http: Http, language: str, org: str, database: str) -> None:
        super().__init__(http)
        self._ask = {"flux": self._flux, "influxql": self._influxql, "sql": self._sql}[language]
        self._quote = "" if language == "flux" else "'"
        self._org = org
        self._database = database

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> InfluxQueries:
        """From the options `metrics.*` of the policy."""
        http = Http("InfluxDB", options["url"], clock, _login(env), options=options, env=env)
        return cls(http, *(options[f"influxdb.{name}"] for name in ("language", "org", "database")))

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        if not names_time(query):
            raise self._http.refused("the query does not say where the time goes: it needs $begin and $end")
        return super().series(query, begin, end)

    def _points(self, query: str, begin: datetime, end: datetime) -> Sequence[Pair]:
        first, last = (f"{self._quote}{written(at)}{self._quote}" for at in (begin, end))
        found = self._ask(timed(query, first, last))
        if len(found) == 1 and abs((found[0][0] or begin.timestamp()) - begin.timestamp()) < 0.001:
            return [(end.timestamp(), found[0][1])]
        return found if self._ask == self._flux else ended(found)

    def _flux(self, query: str) -> Sequence[Pair]:
        dialect = {"header": True, "annotations": []}
        body = {"query": query, "type": "flux", "dialect": dialect}
        text = self._http.ask("/api/v2/query", query={"org": self._org}, body=body, accept="application/csv")
        rows = list(_tables(text))
        failed = next((row["error"] for row in rows if row.get("error")), "")
        if failed:
            raise self._http.refused(failed)
        if rows and "_value" not in rows[0]:
            raise self._http.useless("no column _value")
        self._one({(row.get("result"), row.get("table")) for row in rows}, "group() and sum()")
        return [(moment(row.get("_time") or row.get("_stop")), row["_value"]) for row in rows]

    def _influxql(self, query: str) -> Sequence[Pair]:
        said = self._http.json("/query", query={"db": self._database, "q": query, "epoch": "ms"})
        results = sequence(said, "results")
        failed = dig(said, "error") or next((dig(each, "error") for each in results if dig(each, "error")), "")
        if failed:
            raise self._http.refused(failed)
        if not results:
            raise self._http.useless()
        found = [row for each in results for row in sequence(each, "series")]
        self._one(found, "sum(...) without GROUP BY a tag")
        rows = [row for each in found for row in sequence(each, "values")]
        if any(not isinstance(row, list) or len(row) != 2 for row in rows):
            raise self._http.refused("the query selects several numbers, one is wanted")
        return [(seconds(row[0]), row[1]) for row in rows]

    def _sql(self, query: str) -> Sequence[Pair]:
        said = self._http.json("/api/v3/query_sql", body={"db": self._database, "q": query, "format": "json"})
        if not isinstance(said, list):
            raise self._http.useless()
        rows = [mapping(row) for row in said]
        if any(len(row) > 2 for row in rows):
            raise self._http.refused("the query selects several numbers, one is wanted")
        values = [next((value for name, value in row.items() if name != "time"), None) for row in rows]
        times = [moment(row.get("time")) for row in rows]
        return list(zip(times, values, strict=True))

    def _one(self, found: Any, advice: str) -> None:
        if len(found) > 1:
            raise self._http.several(len(found), advice)


def _login(env: Mapping[str, str]) -> Login:
    """A token as v2 and v3 take it; user and password for v1; none where it asks for none."""
    if env.get("INFLUX_TOKEN") or (env.get(TOKEN) and not env.get(USER)):
        return keyed(env, {"Authorization": ("INFLUX_TOKEN", "Token ")})
    return login(env)._replace(variables="INFLUX_TOKEN, or HELM_SAFE_METRICS_USER and HELM_SAFE_METRICS_PASSWORD")


def _tables(text: str) -> Iterator[dict[str, str]]:
    """The rows of CSV tables, each of which has a header of its own and is ended by an empty line."""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        yield from csv.DictReader(block.strip("\n").split("\n"))
