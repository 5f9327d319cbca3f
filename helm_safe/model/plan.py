"""The whole decided course of a run: printable, and stored in the journal before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from helm_safe.model.policy import DEFAULT


class Stage(str, Enum):
    """The stages of the design, in order; the same word in code, journal, output and README."""

    INSPECT = "INSPECT"
    ISOLATE = "ISOLATE"
    DECLARE = "DECLARE"
    AUTOPSY = "AUTOPSY"
    PLAN = "PLAN"
    STANDBY = "STANDBY"
    SHIFT = "SHIFT"
    COMMIT = "COMMIT"
    WATCH = "WATCH"
    RETURN = "RETURN"
    CLEANUP = "CLEANUP"


class EndState(str, Enum):
    """How a run ends; INTERRUPTED is resumable and therefore never journaled as an end."""

    SUCCEEDED = "SUCCEEDED"
    ABORTED = "ABORTED"
    BLOCKED = "BLOCKED"
    INTERRUPTED = "INTERRUPTED"
    FAILED = "FAILED"


class Advice(str, Enum):
    """What the plan recommends."""

    ROLL_BACK = "roll back"
    BRIDGE = "bridge"
    ROLL_FORWARD = "roll forward"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. id: unique in the plan; action: key of the table of actions; args: plain JSON values."""

    id: str
    stage: Stage
    action: str
    title: str
    args: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "stage": self.stage.value,
            "action": self.action,
            "title": self.title,
            "args": self.args,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Step:
        return cls(body["id"], Stage(body["stage"]), body["action"], body["title"], dict(body["args"]))


@dataclass(frozen=True, slots=True)
class Plan:
    """current, target: revision numbers. why: the reason for the strategy, in one sentence.

    lost: what will not come back, a sentence each. settings: the durations and flags that `resume` needs again; below
    `options` every option of the table with its source.
    """

    namespace: str
    release: str
    current: int
    target: int
    strategy: str
    why: str
    steps: tuple[Step, ...]
    advice: Advice = Advice.ROLL_BACK
    reasons: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def step(self, step_id: str) -> Step | None:
        return next((each for each in self.steps if each.id == step_id), None)

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """The options that are not defaults: key -> value and source."""
        options: dict[str, dict[str, Any]] = self.settings.get("options", {})
        return {key: each for key, each in options.items() if each["source"] != DEFAULT}

    def to_json(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "release": self.release,
            "current": self.current,
            "target": self.target,
            "strategy": self.strategy,
            "why": self.why,
            "advice": self.advice.value,
            "reasons": list(self.reasons),
            "lost": list(self.lost),
            "settings": self.settings,
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Plan:
        """The inverse of to_json. Raises KeyError or ValueError on a body of another shape."""
        return cls(
            namespace=body["namespace"],
            release=body["release"],
            current=int(body["current"]),
            target=int(body["target"]),
            strategy=body["strategy"],
            why=body["why"],
            advice=Advice(body["advice"]),
            reasons=tuple(body["reasons"]),
            lost=tuple(body["lost"]),
            settings=dict(body["settings"]),
            steps=tuple(Step.from_json(step) for step in body["steps"]),
        )
