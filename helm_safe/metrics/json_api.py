"""Any system that answers JSON over HTTP: `/stats?service=$service /data/errors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig
from helm_safe.metrics.credentials import login
from helm_safe.metrics.http import Http
from helm_safe.metrics.http_queries import HttpQueries
from helm_safe.metrics.readings import Pair, number
from helm_safe.model.queries import names_time, timed
from helm_safe.model.traffic import NoSeries, Reading
from helm_safe.ports import Clock, Cluster

PRESENT = 5.0
"""Seconds: an answer to a query that does not name the end of its time is of now, not of longer ago."""


class JsonQueries(HttpQueries):
    """A query is a path below `metrics.url`, then where the number stands in the answer, as a JSON pointer
    (`/data/0/errors`) or a dotted path (`data.0.errors`). `$begin` and `$end` are filled in as seconds since 1970. One
    for a count answers a counter's present total.
    """

    summed = False

    def __init__(self, http: Http, clock: Clock) -> None:
        super().__init__(http)
        self._clock = clock

    @classmethod
    def opened(cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> JsonQueries:
        """From the options `metrics.*` of the policy."""
        return cls(Http("the JSON API", options["url"], clock, login(env), options=options, env=env), clock)

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        path, where = _parts(query)
        if (self._clock.now() - end).total_seconds() > PRESENT and not names_time(path, end=True):
            raise NoSeries(f"{self._http.name} keeps no past that $end could ask for", "Leave metrics.lag out.")
        if not path.startswith("/") or not path.isprintable() or not where:
            raise self._http.refused("the query is not a path, a space, and where the number stands: /stats /data/0")
        return super().series(query, begin, end)

    def _points(self, query: str, begin: datetime, end: datetime) -> Iterator[Pair]:
        path, where = _parts(query)
        said = self._http.json(timed(path, f"{begin.timestamp():.0f}", f"{end.timestamp():.0f}"))
        found = dig(said, *_steps(where, said))
        if number(found) is None:
            what = "nothing" if found is None else f"no number ({self._http.shown(repr(found))[:60]})"
            raise NoSeries(f"{self._http.name} has {what} at {self._http.shown(where)}", "Correct the query.")
        yield end.timestamp(), found


def _parts(query: str) -> tuple[str, str]:
    path, _, where = query.strip().partition(" ")
    return path, where.strip()


def _steps(where: str, said: Any) -> Iterator[str | int]:
    """The names and positions on the way to the number; which of the two a digit is, the answer tells."""
    parts = where[1:].split("/") if where.startswith("/") else where.split(".")
    for part in parts:
        name = part.replace("~1", "/").replace("~0", "~") if where.startswith("/") else part
        step: str | int = int(name) if isinstance(said, list) and name.isdecimal() and len(name) < 9 else name
        said = dig(said, step)
        yield step
