"""The screen without a screen: events folded into what a person wants to see of a run. Pure, total over any events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from helm_safe.model.events import Event, Level

WAITING, BEGUN, DONE, FAILED = "waiting", "begun", "done", "failed"
WATCHING = frozenset({"STANDBY", "SHIFT", "WATCH", "RETURN"})  # stages that look at pods
KEPT = 5  # notable events


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


def fold(events: Iterable[Event], board: Board | None = None) -> Board:
    """The board after these events, from `board` on."""
    board = board or Board()
    for event in events:
        board = _next(board, event)
    return board


def notable(event: Event) -> bool:
    """Whether people want to find this event again when the run is over."""
    if event.level in (Level.GOOD, Level.WARNING, Level.ERROR):
        return bool(event.message)
    kind, state = event.data.get("kind"), event.data.get("state")
    return bool(event.message) and (
        kind in ("plan", "waiting", "paused", "end") or (kind == "step" and state in (DONE, FAILED))
    )


def _next(board: Board, event: Event) -> Board:
    board = replace(board, latest=event.at)
    if notable(event):
        board = replace(board, lines=(*board.lines, event)[-KEPT:])
    turn = TURNS.get(str(event.data.get("kind")))
    if turn:
        return turn(board, event)
    active = board.active
    same = active is not None and active.stage == event.stage and event.message
    return replace(board, said=event.message) if same else board


def _plan(board: Board, event: Event) -> Board:
    data, done = event.data, set(map(str, event.data.get("done", ())))
    steps = _steps(data.get("steps"))
    return Board(
        namespace=str(data.get("namespace", "")),
        release=str(data.get("release", "")),
        run=str(data.get("run", "")),
        strategy=str(data.get("strategy", "")),
        current=int(data.get("current", 0)),
        target=int(data.get("target", 0)),
        started=event.at,
        latest=event.at,
        steps=tuple(replace(step, state=DONE) if step.id in done else step for step in steps),
        ways_out=(_steps(data.get("undo")), _steps(data.get("hold"))),
        lines=board.lines,
    )


def _steps(rows: Any) -> tuple[StepRow, ...]:
    return tuple(
        StepRow(
            id=str(row.get("id", "")),
            stage=str(row.get("stage", "")),
            title=str(row.get("title", "")),
            expected=float(row.get("expected", 1.0)),
            share=_number(row.get("share")),
            judged=tuple(map(str, row.get("judged", ()))),
            asks=bool(row.get("asks")),
        )
        for row in rows or ()
    )


def _step(board: Board, event: Event) -> Board:
    name, state = str(event.data.get("step", "")), str(event.data.get("state", BEGUN))
    board = replace(_with(board, name, event), waiting=None, paused=False, said="")
    if state != BEGUN:
        steps = _changed(board.steps, name, state=state, ended=event.at, words=event.message)
        board = replace(board, steps=steps)
        return _gate(board, event) if "gates" in event.data else board
    asks = any(step.id == name and step.asks for step in board.steps)
    return replace(
        board,
        steps=_changed(board.steps, name, state=BEGUN, began=event.at, ended=None, words=""),
        gate=board.gate if asks else None,
        workloads=board.workloads if event.stage in WATCHING else (),
    )


def _changed(steps: tuple[StepRow, ...], name: str, **fields: Any) -> tuple[StepRow, ...]:
    return tuple(replace(step, **fields) if step.id == name else step for step in steps)


def _with(board: Board, name: str, event: Event) -> Board:
    """A step that the course does not have is the first of a way out: what was still to come will not happen."""
    if any(step.id == name for step in board.steps):
        return board
    known = next((way for way in board.ways_out if any(step.id == name for step in way)), None)
    way = known or (StepRow(name, event.stage, event.message),)
    return replace(board, steps=(*(step for step in board.steps if step.state != WAITING), *way))


def _weights(board: Board, event: Event) -> Board:
    return replace(
        board,
        shares=tuple(
            ShareRow(str(row.get("name", "")), _number(row.get("wanted")) or 0.0, _number(row.get("actual")))
            for row in event.data.get("services", ())
        ),
    )


def _gate(board: Board, event: Event) -> Board:
    data = event.data
    share = _number(data.get("wanted"))
    look = GateLook(
        at=event.at,
        step=str(data.get("step", "")),
        share=(_number(data.get("share")) if share is None else share) or 0.0,
        waited=_number(data.get("waited")) or 0.0,
        bake=_number(data.get("bake")) or 0.0,
        deadline=_number(data.get("deadline")),
        eta=_number(data.get("eta")),
        gates=tuple(map(_gate_row, data.get("gates", ()))),
    )
    judged = next((step.judged for step in board.steps if step.id == look.step), ())
    shares = _counted(board.shares, judged, _number(data.get("actual")))
    return replace(board, gate=look, shares=shares)


def _gate_row(row: Mapping[str, Any]) -> GateRow:
    samples, needed = _number(row.get("samples")), _number(row.get("needed"))
    return GateRow(
        name=str(row.get("name", "")),
        value=row.get("value"),
        threshold=row.get("threshold"),
        unit=str(row.get("unit", "")),
        samples=None if samples is None else round(samples),
        needed=None if needed is None else round(needed),
        verdict=str(row.get("verdict", "inconclusive")),
        eta=_number(row.get("eta")),
        sentence=str(row.get("sentence", "")),
    )


def _counted(shares: tuple[ShareRow, ...], judged: tuple[str, ...], actual: float | None) -> tuple[ShareRow, ...]:
    """The gateway counted one share, of the judged Services; the others got the rest."""
    if actual is None or not judged:
        return shares
    return tuple(replace(row, actual=actual if row.name in judged else 100 - actual) for row in shares)


def _pods(board: Board, event: Event) -> Board:
    return replace(board, workloads=tuple(map(_workload, event.data.get("workloads", ()))))


def _workload(row: Mapping[str, Any]) -> WorkloadRow:
    pods = tuple(
        PodRow(
            name=str(pod.get("name", "")),
            state=str(pod.get("state", "")),
            ready=bool(pod.get("ready")),
            restarts=round(_number(pod.get("restarts")) or 0),
            note=str(pod.get("note") or ""),
        )
        for pod in row.get("pods", ())
    )
    ready, wanted, more = (round(_number(row.get(key)) or 0) for key in ("ready", "wanted", "more"))
    return WorkloadRow(str(row.get("name", "")), ready, wanted, pods, more)


def _waiting(board: Board, event: Event) -> Board:
    what, who, until, then = (str(event.data.get(key) or "") for key in ("for", "who", "until", "then"))
    return replace(board, waiting=Wait(what, who, until, then) if what else None)


def _paused(board: Board, _: Event) -> Board:
    return replace(board, paused=True)


def _end(board: Board, event: Event) -> Board:
    return replace(
        board,
        end=str(event.data.get("state", "")),
        reason=str(event.data.get("reason", "")),
        waiting=None,
        paused=False,
        gate=None,
        said="",
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


TURNS: dict[str, Callable[[Board, Event], Board]] = {
    "plan": _plan,
    "step": _step,
    "weights": _weights,
    "gate": _gate,
    "pods": _pods,
    "waiting": _waiting,
    "paused": _paused,
    "end": _end,
}
