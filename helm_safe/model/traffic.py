"""What a gateway counted: samples of cumulative counters, and the window between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helm_safe.model.errors import HelmSafeError, UsageError

Series = tuple[str, ...]
"""Identity of one counter: the source (one process of the gateway) first, then whatever tells its counters apart."""


class NoData(HelmSafeError):
    """A provider has no usable numbers now: the caller is inconclusive, never at zero. The message says why."""


class Refused(UsageError, NoData):
    """A query or credentials that will not do until a person corrects them.

    An error of usage while a run is planned; whoever catches NoData in a run that goes on is inconclusive.
    """


class NoSeries(NoData):
    """The system answers, and has no such numbers: the metric is misnamed, or nothing was counted yet."""


class Backend(NamedTuple):
    """One Service that a gateway sends requests to."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"Service/{self.name}"


class Reading(NamedTuple):
    """One value of a query.

    at: seconds since 1970 by this machine's clock, as far as the difference to the system's is known; for a value over
    an interval its end. value: finite.
    """

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters of one backend at one moment, since each source began to count.

    at: monotonic seconds; a keeper of metrics tells what it saw when it last looked, some time ago. sources: the
    processes that answered, those without a counter for this backend included. requests: all answers. errors: those
    with status 5xx, or with a gRPC status that is the server's fault. durations: answers that were no errors and took
    at most so many seconds (cumulative, as in a Prometheus histogram), by series and bound. timed_errors: the
    durations are those of all answers, errors included. origin: whose counters they are, for people.
    """

    at: float
    sources: frozenset[str]
    requests: Mapping[Series, float] = field(default_factory=dict)
    errors: Mapping[Series, float] = field(default_factory=dict)
    durations: Mapping[tuple[Series, float], float] = field(default_factory=dict)
    timed_errors: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What one backend answered in `seconds`. buckets: (seconds, answers that took at most so long), errors left out.

    notes: what makes the numbers partial, a sentence each.
    """

    requests: float
    errors: float
    buckets: tuple[tuple[float, float], ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def error_share(self) -> float | None:
        """0..1, None without requests."""
        return self.errors / self.requests if self.requests else None

    @property
    def timed(self) -> float:
        """Answers whose duration is known."""
        return max((count for _, count in self.buckets), default=0.0)

    def quantile(self, share: float) -> float | None:
        """Seconds within which `share` of the timed answers came, interpolated inside a bucket as Prometheus does.

        Infinite above the last finite bound; None without answers.
        """
        wanted, low, below = share * self.timed, 0.0, 0.0
        if not self.timed:
            return None
        for bound, count in self.buckets:
            if count >= wanted:
                inside = (wanted - below) / (count - below) if count > below else 1.0
                return math.inf if math.isinf(bound) else low + (bound - low) * inside
            low, below = bound, count
        return math.inf

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the bound above all others is written as null."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "buckets": [[None if math.isinf(bound) else bound, count] for bound, count in self.buckets],
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Window:
        """The inverse of to_json. Raises KeyError or ValueError on a body of another shape."""
        buckets = ((math.inf if bound is None else float(bound), float(count)) for bound, count in body["buckets"])
        return cls(float(body["requests"]), float(body["errors"]), tuple(buckets), float(body["seconds"]))

    def slower_than(self, bound: float) -> float:
        """How many timed answers took longer than `bound`, which is one of the bounds."""
        return self.timed - _within(self, bound)


def window(before: Sample, after: Sample) -> Window:
    """The increase between two samples of one backend.

    A counter that fell began anew: what it shows came since. One that a known source shows for the first time began at
    zero. A source that did not answer before tells nothing yet: what it counted may be old. Durations that include
    those of errors lose as many of the quickest. Raises NoData where no source answered both times, where no newer
    numbers came, and for counters that are no numbers.
    """
    known = before.sources & after.sources
    seconds = after.at - before.at
    if not known:
        raise NoData("no process of the gateway answered both at the start and at the end of the window")
    if seconds <= 0:
        raise NoData("no newer numbers have come in yet")
    requests = _increase(before.requests, after.requests, known)
    if not math.isfinite(requests + _increase(before.errors, after.errors, known)):
        raise NoData("the gateway's counters hold something that is no number")
    errors = min(_increase(before.errors, after.errors, known), requests)
    buckets = _buckets(before, after, known)
    if after.timed_errors and errors:
        # A version that fails fast must not look quick, nor one beside it slow.
        buckets = tuple((bound, max(0.0, count - errors)) for bound, count in buckets)
    return Window(requests, errors, buckets, seconds, tuple(_notes(before, after)))


def joined(one: Window, other: Window) -> Window:
    """Two windows of one backend, one after the other, as one.

    Adding up short windows keeps what a gateway counted before it was restarted; two far samples would lose it.
    """
    bounds = sorted({bound for each in (one, other) for bound, _ in each.buckets})
    buckets = tuple((bound, _within(one, bound) + _within(other, bound)) for bound in bounds)
    notes = tuple(dict.fromkeys((*one.notes, *other.notes)))
    return Window(one.requests + other.requests, one.errors + other.errors, buckets, one.seconds + other.seconds, notes)


def _within(part: Window, bound: float) -> float:
    """Answers that certainly took at most so long."""
    return max((count for each, count in part.buckets if each <= bound), default=0.0)


def _increase(before: Mapping[Series, float], after: Mapping[Series, float], known: frozenset[str]) -> float:
    return sum(grown(before.get(series), count) for series, count in after.items() if series[0] in known)


def grown(before: float | None, after: float) -> float:
    """How far one counter grew; it may have begun anew."""
    return after if before is None or after < before else after - before


def _buckets(before: Sample, after: Sample, known: frozenset[str]) -> tuple[tuple[float, float], ...]:
    restarted = {key[0] for key, count in after.durations.items() if count < before.durations.get(key, 0)}
    totals: dict[float, float] = {}
    for (series, bound), count in after.durations.items():
        if series[0] in known:
            earlier = None if series in restarted else before.durations.get((series, bound))
            totals[bound] = totals.get(bound, 0.0) + grown(earlier, count)
    rising, highest = [], 0.0
    for bound in sorted(totals):
        highest = max(highest, totals[bound])
        rising.append((bound, highest))
    return tuple(rising)


def _notes(before: Sample, after: Sample) -> list[str]:
    notes = []
    if after.sources - before.sources:
        notes.append(f"{len(after.sources - before.sources)} process(es) of the gateway began to answer meanwhile")
    if before.sources - after.sources:
        notes.append(f"{len(before.sources - after.sources)} process(es) of the gateway stopped answering meanwhile")
    if any(count < before.requests.get(series, 0) for series, count in after.requests.items()):
        notes.append("a counter began anew: the gateway was restarted")
    return notes
