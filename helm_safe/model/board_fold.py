"""Events folded into a Board: total over any events, from the beginning of a run or from its middle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from helm_safe.model.board import (
    BEGUN,
    DONE,
    FAILED,
    WAITING,
    Board,
    GateLook,
    GateRow,
    PodRow,
    ShareRow,
    StepRow,
    Wait,
    WorkloadRow,
)
from helm_safe.model.events import Event, Level

WATCHING = frozenset({"STANDBY", "SHIFT", "WATCH", "RETURN"})  # stages that look at pods
KEPT = 5  # notable events


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
    step = next(step for step in board.steps if step.id == name)
    return replace(
        board,
        steps=_changed(board.steps, name, state=BEGUN, began=event.at, ended=None, words=""),
        gate=board.gate if step.asks else _anew(board.gate, step, event.at),
        workloads=board.workloads if event.stage in WATCHING else (),
    )


def _anew(before: GateLook | None, step: StepRow, at: datetime) -> GateLook | None:
    """The gate of a step that begins: what the one before looked at, and nothing known yet."""
    if before is None or step.share is None:
        return None
    gates = tuple(
        replace(gate, value=None, samples=None, verdict="inconclusive", eta=None, sentence="") for gate in before.gates
    )
    return replace(before, at=at, step=step.id, share=step.share, waited=0.0, eta=None, gates=gates)


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
    return replace(board, shares=tuple(_share(board, row) for row in event.data.get("services", ())))


def _share(board: Board, row: Mapping[str, Any]) -> ShareRow:
    """What was counted holds until other weights are written."""
    name, wanted, actual = str(row.get("name", "")), _number(row.get("wanted")) or 0.0, _number(row.get("actual"))
    known = next((each.actual for each in board.shares if (each.name, each.wanted) == (name, wanted)), None)
    return ShareRow(name, wanted, known if actual is None else actual)


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
            note=_of_pod(str(pod.get("note") or ""), str(pod.get("name", ""))),
        )
        for pod in row.get("pods", ())
    )
    ready, wanted, more = (round(_number(row.get(key)) or 0) for key in ("ready", "wanted", "more"))
    return WorkloadRow(str(row.get("name", "")), ready, wanted, pods, more)


def _of_pod(note: str, name: str) -> str:
    """A sentence about a pod, without its name."""
    return note.removeprefix(f"Pod/{name}").removeprefix(":").strip() if name else note


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
