"""Journal records and the fold that turns them into Progress: the journal is the state of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from helm_safe.model.plan import Plan, Stage

FORMAT = 1
INCIDENT = "incident"
"""Under it the incident's key is captured."""
NOTIFIER = "notifier "
"""And under it, with its name, how far a notifier is: a resumed run opens nothing twice."""


class Kind(str, Enum):
    """What a record says.

    START carries the plan. CAPTURED holds an original that an undo needs; it is never compacted. INTENT stands before
    a write and says what undoes it, DONE after it. WAITING says for what a step asks a person. NOTE is history for
    people. END closes the run. REOPEN takes up a run that ended after COMMIT: failed steps are done anew, and those
    from WATCH on where users are held elsewhere.
    """

    START = "start"
    CAPTURED = "captured"
    INTENT = "intent"
    DONE = "done"
    WAITING = "waiting"
    NOTE = "note"
    END = "end"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry. step: id of a plan's step, or "". safe: where traffic must go if the run stops here."""

    at: datetime
    kind: Kind
    stage: str
    step: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    safe: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0

    def to_json(self) -> dict[str, Any]:
        body = {
            "at": self.at.isoformat(),
            "kind": self.kind.value,
            "stage": self.stage,
            "step": self.step,
            "data": self.data,
            "safe": self.safe,
            "epoch": self.epoch,
        }
        return {key: value for key, value in body.items() if value not in ("", {})}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Record:
        """The inverse of to_json. Raises ValueError or KeyError on a body of another shape."""
        return cls(
            at=datetime.fromisoformat(body["at"]),
            kind=Kind(body["kind"]),
            stage=str(body["stage"]),
            step=str(body.get("step", "")),
            data=dict(body.get("data", {})),
            safe=dict(body.get("safe", {})),
            epoch=int(body.get("epoch", 0)),
        )


class Approval(NamedTuple):
    """A person's word that a run may go on, by="user@host". It counts for one waiting of one step alone, the one that
    began at `since`.
    """

    run: str
    step: str
    since: str
    by: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. `begun` has steps with an intent but no outcome: their effect must be looked up. `waits`
    has what those of them wait for that wait for a person.
    """

    plan: Plan | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()
    waits: dict[str, dict[str, Any]] = field(default_factory=dict)
    captured: dict[str, Any] = field(default_factory=dict)
    safe: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    started_by: str = ""
    end: str = ""
    reason: str = ""
    last: Record | None = None

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """What became of each notifier, by its name."""
        start = len(NOTIFIER)
        return {step[start:]: data for step, data in self.captured.items() if step.startswith(NOTIFIER)}

    @property
    def returned(self) -> bool:
        """Whether the routes are back: users are on the release's own Services for good, the standby may be gone."""
        return self.passed("routes")

    def passed(self, step: str) -> bool:
        """Whether a step is done, and well."""
        return bool(self.done.get(step, {}).get("verdict") == "pass")


def fold(records: Iterable[Record], progress: Progress | None = None) -> Progress:
    """The state that the records describe, from `progress` on; total over any prefix of a run's journal."""
    progress = progress or Progress()
    for record in records:
        progress = _step(_at(progress, record), record)
    return progress


def _at(progress: Progress, record: Record) -> Progress:
    """Notifiers are told beside all stages: their records say nothing of how far the run is."""
    if record.stage == Stage.DECLARE.value:
        return progress
    return replace(progress, last=record, safe=record.safe or progress.safe)


def _step(progress: Progress, record: Record) -> Progress:
    if record.kind is Kind.START:
        return replace(
            progress,
            plan=Plan.from_json(record.data["plan"]),
            started_at=record.at,
            started_by=str(record.data.get("by", "")),
        )
    if record.kind is Kind.CAPTURED:
        return replace(progress, captured={**progress.captured, record.step: record.data})
    if record.kind is Kind.INTENT:
        return replace(progress, begun=progress.begun | {record.step})
    if record.kind is Kind.DONE:
        begun, waits = progress.begun - {record.step}, {**progress.waits}
        waits.pop(record.step, None)
        return replace(progress, begun=begun, waits=waits, done={**progress.done, record.step: record.data})
    if record.kind is Kind.WAITING:
        return replace(progress, waits={**progress.waits, record.step: record.data})
    if record.kind is Kind.REOPEN:
        return _reopened(progress)
    if record.kind is Kind.END:
        return replace(progress, end=str(record.data["state"]), reason=str(record.data.get("reason", "")))
    return progress


def _reopened(progress: Progress) -> Progress:
    """Users that were held on proven pods come back by WATCH and RETURN anew; those that were back stay there."""
    plan = progress.plan
    again = set() if progress.returned else {Stage.WATCH, Stage.RETURN, Stage.CLEANUP}
    anew = {step.id for step in plan.steps if step.stage in again} | {step.id for step in plan.hold} if plan else set()
    failed = {step for step, result in progress.done.items() if result.get("verdict") == "fail"}
    done = {step: result for step, result in progress.done.items() if step not in anew | failed}
    return replace(progress, end="", reason="", done=done, begun=(progress.begun | failed) - anew, waits={})
