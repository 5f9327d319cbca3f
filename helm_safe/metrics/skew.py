"""The clock of a server, as far as its answers tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.dates import http_date
from helm_safe.metrics.readings import Pair, readings
from helm_safe.model.traffic import NoSeries, Reading

TOLERANCE = 3.0
"""Seconds of difference that are taken for the way of the answer, or for the rounding of a Date header."""

Fetch = Callable[[datetime, datetime], Iterable[Pair]]


class Skew:
    """How far a server's clock is ahead of this machine's."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        """As far as `learn` is asked, zero while the difference is within TOLERANCE."""

    def learn(self, headers: Mapping[str, Any], asked: datetime) -> None:
        """From the headers of an answer to a question of the moment `asked`; one that a cache kept tells nothing."""
        theirs = None if headers.get("Age") else http_date(str(headers.get("Date") or headers.get("date") or ""))
        if theirs and abs((theirs - asked - self.ahead).total_seconds()) > TOLERANCE:
            ahead = theirs - asked
            self.ahead = ahead if abs(ahead.total_seconds()) > TOLERANCE else timedelta()

    def readings(self, who: str, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        """What `fetch` brings for a time of this machine's, asked for in the server's and told in this machine's.

        Asked again when the first answer shows that the clocks differ. Raises like `readings` and `fetch`.
        """
        used = self.ahead
        try:
            found = self._readings(who, begin, end, fetch)
        except NoSeries:
            if self.ahead == used:
                raise
        else:
            if self.ahead == used:
                return found
        return self._readings(who, begin, end, fetch)

    def _readings(self, who: str, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        used = self.ahead
        begin, end = begin + used, end + used
        found = readings(who, fetch(begin, end), begin, end)
        return [Reading(each.at - used.total_seconds(), each.value) for each in found]
