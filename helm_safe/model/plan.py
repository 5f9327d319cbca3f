"""The whole decided course of a run: printable, and stored in the journal before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from helm_safe.core.objects import ObjectRef
from helm_safe.model.policy import DEFAULT
from helm_safe.model.routes import Backends


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
    BLOCKED = "blocked"


def judged_share(args: Mapping[str, Any]) -> float:
    """Percent of the traffic that the judged Services have, by the args of a step with a gate."""
    share = float(args["share"])
    return share if args["trial"] == "canary" else 100 - share


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
class Moved:
    """One route that moves. router: name in the table of routers. pairs: the release's own Service, and the one beside
    it (the standby's, or the known-good one) that shares its traffic during the run. ours: made by this run to carry
    the weights, so it is not there before and after it.
    """

    router: str
    ref: ObjectRef
    pairs: tuple[Backends, ...]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """The routes of a run, which move together; shares are always those of the Services beside the release's own."""

    routes: tuple[Moved, ...]

    @property
    def pairs(self) -> tuple[Backends, ...]:
        return tuple(sorted({pair for route in self.routes for pair in route.pairs}))

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "router": each.router,
                "ref": list(each.ref),
                "pairs": [list(pair) for pair in each.pairs],
                "ours": each.ours,
            }
            for each in self.routes
        ]

    @classmethod
    def from_json(cls, body: list[dict[str, Any]]) -> Traffic:
        """The inverse of to_json. Raises KeyError or TypeError on a body of another shape."""
        return cls(
            tuple(
                Moved(
                    each["router"],
                    ObjectRef(*each["ref"]),
                    tuple(Backends(*pair) for pair in each["pairs"]),
                    bool(each["ours"]),
                )
                for each in body
            )
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """current, target: revision numbers. why: the reason for the strategy, in one sentence.

    lost: what will not come back, a sentence each. settings: the durations and flags that `resume` needs again; below
    `options` every option of the table with its source. undo: what puts everything back when the run stops before
    COMMIT. hold: what sends users to the backend that has proved itself when it stops after. traffic: the routes that
    move, None where none does. notes: how workloads and routes are treated, a sentence each. verdict: the rule behind
    the advice; way: what to do, in order, where the advice is another than to roll back; unless: what would change it;
    bridge: the Job that undoes migrations, to review.
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
    undo: tuple[Step, ...] = ()
    hold: tuple[Step, ...] = ()
    traffic: Traffic | None = None
    notes: tuple[str, ...] = ()
    verdict: str = ""
    way: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    bridge: dict[str, Any] | None = None

    def step(self, step_id: str) -> Step | None:
        return next((each for each in (*self.steps, *self.undo, *self.hold) if each.id == step_id), None)

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
            "undo": [step.to_json() for step in self.undo],
            "hold": [step.to_json() for step in self.hold],
            "traffic": self.traffic.to_json() if self.traffic else None,
            "notes": list(self.notes),
            "verdict": self.verdict,
            "way": list(self.way),
            "unless": list(self.unless),
            "bridge": self.bridge,
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
            undo=tuple(Step.from_json(step) for step in body["undo"]),
            hold=tuple(Step.from_json(step) for step in body["hold"]),
            traffic=Traffic.from_json(body["traffic"]) if body["traffic"] else None,
            notes=tuple(body["notes"]),
            verdict=body.get("verdict", ""),
            way=tuple(body.get("way", ())),
            unless=tuple(body.get("unless", ())),
            bridge=body.get("bridge"),
        )
