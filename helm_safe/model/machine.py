"""What comes next in a run: a pure decision; the runner only carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from helm_safe.model.plan import EndState, Plan, Stage, Step
from helm_safe.model.records import Progress


class Verdict(str, Enum):
    """Three-valued: no data is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Do:
    """Carry out a step. again: an earlier process began it, so look at the live state before writing."""

    step: Step
    again: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """Close the run."""

    state: EndState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until a person says go on."""

    reason: str


Action = Do | Finish | Hold


def committed(progress: Progress) -> bool:
    """Whether the native rollback may have run: from its intent on, nobody knows that it has not."""
    began = {"repair", "rollback"} & (progress.begun | set(progress.done))
    return any(not progress.done.get(step, {}).get("untouched") for step in began)


def next_action(plan: Plan, progress: Progress, request: str = "") -> Action:
    """Decide from the plan, the journal's fold and the newest request (pause, abort or none).

    Before COMMIT an abort undoes what was done, by the plan's CLEANUP steps; after it the restored pods are the only
    ones left, so an abort stops where it is and leaves the release to a person.
    """
    if progress.end:
        return Finish(EndState(progress.end), progress.reason)
    failed = next((result for result in progress.done.values() if result.get("verdict") == Verdict.FAIL.value), None)
    if failed:
        return _stop(plan, progress, EndState.FAILED, str(failed.get("reason", "")))
    if request == "abort":
        return _stop(plan, progress, EndState.ABORTED, "aborted on request")
    if request == "pause":
        return Hold("paused on request")
    upcoming = next((step for step in plan.steps if step.id not in progress.done), None)
    if upcoming is None:
        return Finish(EndState.SUCCEEDED)
    return Do(upcoming, again=upcoming.id in progress.begun)


def _stop(plan: Plan, progress: Progress, state: EndState, reason: str) -> Action:
    cleanup = [step for step in plan.steps if step.stage is Stage.CLEANUP and step.id not in progress.done]
    if cleanup and not committed(progress):
        return Do(cleanup[0], again=cleanup[0].id in progress.begun)
    if committed(progress):
        return Finish(EndState.FAILED, reason)
    return Finish(state, reason)
