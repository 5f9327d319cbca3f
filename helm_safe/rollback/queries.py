"""The user's own metrics in a run: each is tried once while planning, and asked at every look of a gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from helm_safe.model.errors import HelmSafeError, UsageError
from helm_safe.model.gates import GateState
from helm_safe.model.looks import Looks
from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Resolved
from helm_safe.model.queries import Query, Unanswered
from helm_safe.model.readings import gathered, judge_readings, thinned
from helm_safe.model.revisions import Release
from helm_safe.model.traffic import NoData, Reading
from helm_safe.ports import Clock
from helm_safe.rollback.context import Answering, Run, World
from helm_safe.rollback.counters import Trial

ACCEPTED = "GATE-002"  # who accepts it goes without the queries that had no answer
BACK = timedelta(minutes=10)
"""How far back is asked: systems that collect in minutes have had time for an answer."""
STALE = 120.0
"""Seconds without a new reading after which a series is taken for dead."""
EVERY = 8.0
"""Seconds between two times that a series is asked for: hosted systems bound the calls of an hour."""
KEPT = 60  # readings per series that the next step gets as its baseline


def queries_in(settings: Resolved) -> list[Query]:
    """What `gates.queries` asks for."""
    return [Query.from_json(each) for each in settings.value("gates.queries")]


def untold(world: World, release: Release, settings: Resolved, services: Sequence[str]) -> tuple[Unanswered, ...]:
    """Ask every query once, for the Services that are live now; what had no usable answer, with what was said."""
    opened, found = world.queries(settings), []
    for query in queries_in(settings) if services else ():
        for service in services if query.by_service else services[:1]:
            error = _trouble(opened, world.clock, release, query, service)
            if error:
                provider = query.provider or str(settings.value("metrics.provider"))
                found.append(Unanswered(query.name, provider, error.message, error.next_step))
                break
    return tuple(found)


def _trouble(opened: Answering, clock: Clock, release: Release, query: Query, service: str) -> HelmSafeError | None:
    """Why the query has no usable answer, None where it has one."""
    try:
        found = _series(opened, clock, release, query, service)
    except (NoData, UsageError) as error:
        return error
    return None if found else NoData("no reading in the last ten minutes", "See that the metric is named rightly.")


def _series(opened: Answering, clock: Clock, release: Release, query: Query, service: str) -> Sequence[Reading]:
    """The readings of the last minutes. Raises NoData and UsageError."""
    text = query.filled({"service": service, "namespace": release.namespace, "release": release.name})
    now = clock.now()
    return opened(query).series(text, now - BACK, now)


Asked = tuple[str, str]
"""(name of the query, Service): one series."""


@dataclass
class Asking:
    """The queries of one step. alpha: what the comparison of one series may spend in all.

    alone: the judged Services have all users, so nobody is left to compare with but the step before (`baseline`).
    """

    run: Run
    trials: Sequence[Trial]
    alpha: float
    alone: bool
    baseline: Mapping[str, Sequence[Any]]
    _known: dict[Asked, list[Reading]] = field(default_factory=dict)
    _marks: dict[Asked, float] = field(default_factory=dict)
    _moved: dict[Asked, float] = field(default_factory=dict)
    _looks: dict[Asked, Looks] = field(default_factory=dict)
    _answers: dict[Asked, tuple[float, list[Reading] | str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._opened = self.run.world.queries(self.run.settings.resolved)
        unanswered = self.run.plan.settings.get("unanswered", [])  # and accepted as that
        asked = [each for each in queries_in(self.run.settings.resolved) if each.name not in unanswered]
        self._pairs = [
            (query, trial) for query in asked for trial in (self.trials if query.by_service else self.trials[:1])
        ]

    def begin(self) -> None:
        """Mark where the step begins in each series.

        The keeper's clock may go before ours, or its readings come late: only what is later than both counts.
        """
        now = self.run.world.clock.now().timestamp()
        for query, trial in self._pairs:
            for service in trial:
                found = self._ask(query, service)
                newest = max((each.at for each in found), default=now) if isinstance(found, list) else now
                self._marks[query.name, service] = max(now, newest) + query.window

    def look(self, *, last: bool = False) -> list[GateState]:
        """One state per series that is judged. last: the step passes unless a test speaks against it now."""
        return [self._judged(query, trial, last) for query, trial in self._pairs]

    def kept(self) -> dict[str, list[list[float]]]:
        """The newest readings of the judged, for the step after this one."""
        judged = {trial.judged for trial in self.trials}
        return {
            f"{query}/{service}": [[each.at, each.value] for each in readings[-KEPT:]]
            for (query, service), readings in self._known.items()
            if service in judged and readings
        }

    def _judged(self, query: Query, trial: Trial, last: bool) -> GateState:
        mine = self._collect(query, trial.judged)
        theirs: list[Reading] | str | None = self._before(query, trial.judged)
        if query.compared and not self.alone:
            theirs = self._collect(query, trial.other)
        name = query.name if len(self.trials) < 2 or not query.by_service else f"{query.name} ({trial.judged})"
        trouble = next((each for each in (mine, theirs) if isinstance(each, str)), "")
        if isinstance(mine, str) or isinstance(theirs, str):
            words = f"{name}: {trouble}"
            return GateState(name, Verdict.INCONCLUSIVE, words, samples=0, needed=query.readings)
        looks = self._looks.setdefault((query.name, trial.judged), Looks(self.alpha))
        alpha = looks.due(len(thinned(mine, query.window)), last=last)
        return judge_readings(query._replace(name=name), mine, theirs, alpha=alpha)

    def _before(self, query: Query, service: str) -> list[Reading] | None:
        """What the step before read of the same Service, else of the one that was judged then."""
        same = [key for key in self.baseline if key.startswith(f"{query.name}/")] if self.alone else []
        found = next((key for key in same if key == f"{query.name}/{service}"), next(iter(same), ""))
        return [Reading(*each) for each in self.baseline[found]] if found else None

    def _collect(self, query: Query, service: str) -> list[Reading] | str:
        """Everything since the step began, or why there is nothing to judge by now."""
        key, now = (query.name, service), self.run.world.clock.monotonic()
        found = self._ask(query, service)
        if isinstance(found, str):
            return found
        before = self._known.get(key, [])
        after = self._known[key] = gathered(before, found, self._marks[key])
        if not before or after[-1:] != before[-1:]:
            self._moved[key] = now
        quiet = now - self._moved[key]
        return f"no new reading for {quiet:.0f} s" if quiet > max(STALE, query.window) else after

    def _ask(self, query: Query, service: str) -> list[Reading] | str:
        """What is said now, or was a moment ago."""
        run, now = self.run, self.run.world.clock.monotonic()
        asked, answer = self._answers.get((query.name, service), (-EVERY, "not asked yet"))
        if now - asked >= EVERY:
            try:
                answer = list(_series(self._opened, run.world.clock, run.release, query, service))
            except (NoData, UsageError) as error:
                answer = error.message
            self._answers[query.name, service] = now, answer
        return answer


def left_out(findings: Iterable[Any]) -> list[str]:
    """Names of the queries that were accepted as unanswered."""
    return [each.object.partition("/")[2] for each in findings if each.check == ACCEPTED and each.status == "waived"]
