"""The screen without a screen: what a person wants to see of a run. Pure; made by model.board_fold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helm_safe.model.events import Event

WAITING, BEGUN, DONE, FAILED = "waiting", "begun", "done", "failed"


@dataclass(frozen=True, slots=True)
class StepRow:
    """state: waiting, begun, done, failed. expected: seconds. judged: Services whose gate it is, at `share` percent.

    asks: it waits for a person.
    """

    id: str
    stage: str
    title: str
    state: str = WAITING
    expected: float = 1.0
    share: float | None = None
    judged: tuple[str, ...] = ()
    asks: bool = False
    began: datetime | None = None
    ended: datetime | None = None
    words: str = ""

    def took(self, now: datetime) -> float:
        """Seconds so far, or in all; 0 before it began."""
        return max(0.0, ((self.ended or now) - self.began).total_seconds()) if self.began else 0.0


@dataclass(frozen=True, slots=True)
class StageRow:
    """The steps of one stage, in the order of the plan."""

    stage: str
    steps: tuple[StepRow, ...]

    @property
    def state(self) -> str:
        states = {step.state for step in self.steps}
        if FAILED in states:
            return FAILED
        if states <= {DONE}:
            return DONE
        return WAITING if states == {WAITING} else BEGUN

    def took(self, now: datetime) -> float:
        return sum(step.took(now) for step in self.steps)

    @property
    def expected(self) -> float:
        return sum(step.expected for step in self.steps)


@dataclass(frozen=True, slots=True)
class ShareRow:
    """Percent of the traffic of one Service: as written into the routes, and as the gateway counted it."""

    name: str
    wanted: float
    actual: float | None = None


@dataclass(frozen=True, slots=True)
class GateRow:
    """One thing that a gate looks at. value, threshold: in `unit` ("share" is 0..1, "s" seconds, "" the metric's own).

    eta: seconds until it can be decided, None where nobody knows.
    """

    name: str
    value: Any
    threshold: Any
    unit: str
    samples: int | None
    needed: int | None
    verdict: str
    eta: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class GateLook:
    """A gate at its newest look. share: percent of the users that are judged. waited, bake, deadline: seconds since the
    step's gate began. eta: seconds until all is decided, None where nobody knows.
    """

    at: datetime
    step: str
    share: float
    waited: float
    bake: float
    deadline: float | None
    eta: float | None
    gates: tuple[GateRow, ...]

    def left(self, now: datetime) -> float | None:
        """Seconds until all is decided if all goes well; None where nobody can tell."""
        return None if self.eta is None else max(0.0, self.eta - (now - self.at).total_seconds())


@dataclass(frozen=True, slots=True)
class PodRow:
    name: str
    state: str
    ready: bool
    restarts: int
    note: str

    @property
    def well(self) -> bool:
        return self.ready and not self.restarts and not self.note


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """more: pods that are not listed."""

    name: str
    ready: int
    wanted: int
    pods: tuple[PodRow, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Before what the run waits for approval, whose, until when (ISO 8601 or words), and what happens then."""

    what: str
    who: str
    until: str
    then: str


@dataclass(frozen=True, slots=True)
class Board:
    """All that a screen shows. started: None before the plan is known. lines: the newest notable events."""

    namespace: str = ""
    release: str = ""
    run: str = ""
    strategy: str = ""
    current: int = 0
    target: int = 0
    started: datetime | None = None
    latest: datetime | None = None
    steps: tuple[StepRow, ...] = ()
    ways_out: tuple[tuple[StepRow, ...], ...] = ()
    shares: tuple[ShareRow, ...] = ()
    gate: GateLook | None = None
    workloads: tuple[WorkloadRow, ...] = ()
    waiting: Wait | None = None
    paused: bool = False
    said: str = ""
    end: str = ""
    reason: str = ""
    lines: tuple[Event, ...] = ()

    @property
    def active(self) -> StepRow | None:
        """The step under way."""
        return next((step for step in reversed(self.steps) if step.state == BEGUN), None)

    @property
    def upcoming(self) -> StepRow | None:
        """The step after the one under way."""
        return None if self.end else next((step for step in self.steps if step.state == WAITING), None)

    @property
    def stages(self) -> tuple[StageRow, ...]:
        """The steps by stage, in the order in which each stage first comes."""
        names = dict.fromkeys(step.stage for step in self.steps)
        return tuple(StageRow(name, tuple(each for each in self.steps if each.stage == name)) for name in names)

    def elapsed(self, now: datetime) -> float:
        """Seconds since the run began; of an ended run all that it took."""
        until = self.latest if self.end and self.latest else now
        return max(0.0, (until - self.started).total_seconds()) if self.started else 0.0

    def left(self, now: datetime) -> float:
        """Seconds that the step under way still takes, if all goes well."""
        step = self.active
        if step is None:
            return 0.0
        seen = self.gate.left(now) if self.gate and self.gate.step == step.id else None
        return seen if seen is not None else max(0.0, step.expected - step.took(now))

    def remaining(self, now: datetime) -> float:
        """Seconds until the run is over, if all goes well."""
        if self.end:
            return 0.0
        return self.left(now) + sum(step.expected for step in self.steps if step.state == WAITING)
