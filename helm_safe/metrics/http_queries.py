"""What providers that are asked over HTTP share: the points of an answer become readings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime

from helm_safe.metrics.http import Http
from helm_safe.metrics.readings import Pair
from helm_safe.model.traffic import Reading


class HttpQueries(ABC):
    """helm_safe.ports.QueryProvider, but for what one system is asked and answers."""

    summed: bool

    def __init__(self, http: Http) -> None:
        self._http = http

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        return self._http.readings(begin, end, lambda *time: self._points(query, *time))

    @abstractmethod
    def _points(self, query: str, begin: datetime, end: datetime) -> Iterable[Pair]:
        """(moment, value) of each interval that ended within the time, by the server's clock; more does no harm."""
