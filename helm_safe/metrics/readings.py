"""From what monitoring systems answer to readings: finite numbers, moments, the time that was asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

from helm_safe.model.times import parse_time
from helm_safe.model.traffic import NoSeries, Reading, Refused

Pair = tuple[Any, Any]
"""A moment (seconds since 1970) and a value, both as they were answered."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds(milliseconds: Any) -> float | None:
    """Seconds of a number of milliseconds; None for anything else."""
    known = number(milliseconds)
    return known and known / 1000


def moment(text: Any) -> float | None:
    """Seconds since 1970 of a date and time in RFC 3339, UTC where it names no zone; None for anything else."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    found = parse_time(f"{match[1]}T{match[2]}{match[3] or ''}{match[4] or 'Z'}") if match else None
    return found.timestamp() if found else None


def written(at: datetime) -> str:
    """A moment in RFC 3339, UTC, milliseconds."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def readings(who: str, pairs: Iterable[Pair], begin: datetime, end: datetime) -> list[Reading]:
    """The finite values after `begin` and until `end`, oldest first. Raises NoSeries where there is none.

    An interval that has not ended at `end` is left out by that: its value would still change.
    """
    first = begin.timestamp() + 0.001  # moments are computed: what ended at `begin` must not count as later
    usable = [(number(at), number(value)) for at, value in pairs]
    found = sorted(
        Reading(at, value)
        for at, value in usable
        if at is not None and value is not None and first < at <= end.timestamp()
    )
    if not found:
        raise NoSeries(
            f"{who} has no numbers for the query", "See that its metrics are named as the system knows them."
        )
    return found


def ended(pairs: Iterable[Pair], lone: float | None = None) -> list[Pair]:
    """Values of intervals that are named by their begin, named by their end.

    The interval is the smallest distance between two, those without a value included; a lone one lasts `lone` seconds,
    or is left out where nobody knows.
    """
    known = [(at, value) for each, value in pairs if (at := number(each)) is not None]
    moments = sorted(at for at, _ in known)
    interval = min((later - at for at, later in pairwise(moments) if later > at), default=lone)
    return [] if interval is None else [(at + interval, value) for at, value in known]


def several(who: str, count: int, advice: str) -> Refused:
    """The error for a query that answers more than one series: which one counts is not ours to choose."""
    return Refused(f"{who} answers the query with {count} series, one is wanted: {advice}")
