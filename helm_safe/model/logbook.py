"""What containers log, from readings in turn: known errors and the rate of lines, judged beside others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from helm_safe.model.signatures import Match, is_error, tally
from helm_safe.model.times import parse_time

LINES = 300
"""Lines of one reading: from the times of the newest ones a flood shows its rate as well."""
FIRST = 600.0
"""Seconds that the first reading of a container goes back; a later one goes back to the reading before it."""
SETTLED = 30.0
"""Seconds after its start in which a container may be loud: they do not count for its rate."""
LEAST = 5.0
"""Seconds that a rate needs."""
FACTOR, MORE = 10.0, 60.0
"""From so many times the other's lines, and so many more a minute, the rate is worth a word."""
ERROR_FACTOR, MORE_ERRORS = 3.0, 6.0
OFTEN = 2.0
"""What is logged at most this many times as often as by the others is no news of these."""


class Source(NamedTuple):
    """A container of a pod. pod: its UID."""

    pod: str
    container: str


class Rate(NamedTuple):
    """Lines a minute of one container, and those of them that are errors; the average of several."""

    lines: float
    errors: float


@dataclass
class _Heard:
    """One container: newest line, time read, rate of the last reading that could tell one, and what was found."""

    newest: datetime | None = None
    read_at: datetime | None = None
    minutes: float = 0.0
    rate: Rate | None = None
    found: dict[tuple[str, str], Match] = field(default_factory=dict)


@dataclass
class LogBook:
    """Readings of many containers; it lasts longer than they do, so that those who are gone can be compared with."""

    heard: dict[Source, _Heard] = field(default_factory=dict)

    def since(self, source: Source, now: datetime) -> float:
        """How many seconds the next reading is to go back."""
        read_at = self.heard.get(source, _Heard()).read_at
        return FIRST if read_at is None else (now - read_at).total_seconds() + 1

    def note(self, source: Source, log: str, started: datetime | None, now: datetime) -> list[Match]:
        """Take in a reading; returns what it makes known of the container: each error with its count so far.

        log: lines with their times in front. started: when the container did.
        """
        heard = self.heard.setdefault(source, _Heard())
        oldest = now - timedelta(seconds=FIRST)
        settled = started + timedelta(seconds=SETTLED) if started else oldest
        begin = heard.read_at or max(oldest, started or oldest)
        lines = [(at, text) for at, text in _lines(log) if at is None or heard.newest is None or at > heard.newest]
        for _, text in lines:
            tally(heard.found, text)
        heard.rate = _rate(lines, max(begin, settled), now) or heard.rate
        heard.minutes += max((now - begin).total_seconds(), 1.0) / 60
        heard.read_at = now
        heard.newest = max((at for at, _ in lines if at), default=heard.newest)
        return list(heard.found.values())

    def as_often(self, match: Match, source: Source, others: Collection[str]) -> bool:
        """Whether containers of that name in the other pods log this error nearly as often."""
        mine = self.heard[source]
        key = (match.signature.id, match.subject)
        beside = list(self._named(source.container, others))
        minutes = sum(each.minutes for each in beside)
        times = sum(each.found[key].times for each in beside if key in each.found)
        return bool(times) and match.times / mine.minutes <= OFTEN * times / minutes

    def louder(self, pods: Collection[str], others: Collection[str]) -> Iterator[tuple[str, str]]:
        """(container, words) for each that logs far more lines or errors than its namesakes in the other pods."""
        for name in sorted({source.container for source in self.heard if source.pod in pods}):
            mine, theirs = (self.rate(name, group) for group in (pods, others))
            if mine is None or theirs is None:
                continue
            if _far(mine.errors, theirs.errors, ERROR_FACTOR, MORE_ERRORS):
                share = f"{100 * mine.errors / mine.lines:.0f} % of its lines"
                yield name, f"logs {mine.errors:.0f} errors a minute ({share}), {theirs.errors:.0f} with the others"
            elif _far(mine.lines, theirs.lines, FACTOR, MORE):
                yield name, f"logs {mine.lines:.0f} lines a minute, {theirs.lines:.0f} with the others"

    def rate(self, container: str, pods: Collection[str]) -> Rate | None:
        """Of the containers of that name in these pods, on average; None where no reading tells."""
        rates = [each.rate for each in self._named(container, pods) if each.rate]
        if not rates:
            return None
        return Rate(*(sum(column) / len(rates) for column in zip(*rates, strict=True)))

    def _named(self, container: str, pods: Collection[str]) -> Iterator[_Heard]:
        return (each for source, each in self.heard.items() if source.container == container and source.pod in pods)


def _far(mine: float, theirs: float, factor: float, more: float) -> bool:
    return mine >= factor * theirs and mine - theirs >= more


def _rate(lines: list[tuple[datetime | None, str]], begin: datetime, now: datetime) -> Rate | None:
    """Since `begin`; of a reading that was cut off at its beginning, since its first line."""
    if len(lines) >= LINES and lines[0][0]:
        begin = max(begin, lines[0][0])
    seconds = (now - begin).total_seconds()
    counted = [text for at, text in lines if at is not None and at >= begin]
    if seconds < LEAST and len(counted) < LINES:
        return None
    minutes = max(seconds, 0.1) / 60
    return Rate(len(counted) / minutes, sum(map(is_error, counted)) / minutes)


def _lines(log: str) -> Iterator[tuple[datetime | None, str]]:
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        at = parse_time(stamp)
        yield (at, text) if at else (None, line)
