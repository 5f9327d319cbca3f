"""What watchers of a run are told when it begins: its steps, what each is expected to take, and where it will wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from helm_safe.model.plan import Plan, Step, judged_share
from helm_safe.model.records import Progress

# Seconds, as seen on real clusters; a step that bakes takes its bake on top. Unknown actions count as OTHERWISE.
USUAL = {
    "approve": 0.0,
    "autopsy": 4.0,
    "standby": 2.0,
    "ready": 25.0,
    "weights": 6.0,
    "ratio": 10.0,
    "lower": 20.0,
    "left": 4.0,
    "join": 4.0,
    "drain": 4.0,
    "rollback": 4.0,
    "reassert": 4.0,
    "watch": 12.0,
    "warm": 4.0,
    "users": 6.0,
    "leave": 4.0,
    "routes": 4.0,
    "remove": 6.0,
}
OTHERWISE = 1.0


def outline(run_id: str, plan: Plan, progress: Progress) -> dict[str, Any]:
    """The data of the event "plan" (schema event)."""
    return {
        "kind": "plan",
        "run": run_id,
        "namespace": plan.namespace,
        "release": plan.release,
        "current": plan.current,
        "target": plan.target,
        "strategy": plan.strategy,
        "bake": float(plan.settings.get("bake", 0)),
        "done": [step.id for step in plan.steps if progress.passed(step.id)],
        "steps": _steps(plan, plan.steps),
        "undo": _steps(plan, plan.undo),
        "hold": _steps(plan, plan.hold),
    }


def expected(step: Step) -> float:
    """Seconds that the step takes when all goes well."""
    return USUAL.get(step.action, OTHERWISE) + float(step.args.get("bake") or 0)


def _steps(plan: Plan, steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [{**_step(step), **_trial(plan, step), "asks": step.action == "approve"} for step in steps]


def _step(step: Step) -> dict[str, Any]:
    return {"id": step.id, "stage": step.stage.value, "title": step.title, "expected": expected(step)}


def _trial(plan: Plan, step: Step) -> dict[str, Any]:
    """Of a step with a gate: the Services that it judges, and the percent of their users that they get."""
    if "trial" not in step.args or plan.traffic is None:
        return {}
    beside = step.args["trial"] == "canary"
    names = sorted({pair.canary if beside else pair.stable for pair in plan.traffic.pairs})
    return {"share": judged_share(step.args), "judged": names}
