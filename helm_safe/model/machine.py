"""What comes next in a run: a pure decision; the runner only carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from helm_safe.model.plan import EndState, Plan, Step
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

    Before COMMIT a stop puts back what was done, by the plan's `undo`; after it the old pods are gone, so a stop sends
    users to the backend that has proved itself, by the plan's `hold`, and leaves the release to a person. A stop that
    began is carried through, whoever goes on with the run. Once users are back for good there is no other refuge left:
    a stop moves nobody then, and an abort only lets the run clean up.
    """
    if progress.end:
        return Finish(EndState(progress.end), progress.reason)
    failed = next((result for result in progress.done.values() if result.get("verdict") == Verdict.FAIL.value), None)
    if failed:
        return _stop(plan, progress, EndState.FAILED, str(failed.get("reason", "")))
    if (request == "abort" and not progress.returned) or stopping(plan, progress):
        return _stop(plan, progress, EndState.ABORTED, "aborted on request")
    if request == "pause":
        return Hold("paused on request")
    upcoming = _first(plan.steps, progress)
    return upcoming or Finish(EndState.SUCCEEDED)


def stopping(plan: Plan, progress: Progress) -> bool:
    """Whether the way out was entered."""
    seen = progress.begun | set(progress.done)
    return any(step.id in seen for step in (*plan.undo, *plan.hold))


def waiting(plan: Plan, progress: Progress) -> tuple[str, dict[str, Any]] | None:
    """The step that waits for a person and what it waits for, None while none does."""
    if progress.end or stopping(plan, progress):
        return None
    return next(((step, told) for step, told in progress.waits.items() if step in progress.begun), None)


def _stop(plan: Plan, progress: Progress, state: EndState, reason: str) -> Action:
    way_out = plan.undo if not committed(progress) else () if progress.returned else plan.hold
    upcoming = _first(way_out, progress)
    if upcoming:
        return upcoming
    return Finish(EndState.FAILED if committed(progress) else state, reason)


def _first(steps: Iterable[Step], progress: Progress) -> Do | None:
    step = next((each for each in steps if each.id not in progress.done), None)
    return Do(step, again=step.id in progress.begun) if step else None


def safe_share(plan: Plan, progress: Progress) -> float | None:
    """Where users must go if the run stops here: the share (percent) of the Services beside the release's own.

    None: the captured weights. Before COMMIT those, or the isolation where the run isolated; after it whatever has
    proved itself, which is never the release's own Service until RETURN has put the routes back.
    """
    if plan.traffic is None or progress.returned:
        return None
    return 100.0 if committed(progress) or progress.passed("isolate") else None


def safe_place(plan: Plan, progress: Progress) -> str:
    """The same in words where no route moves, "" where there is nowhere to go."""
    late = committed(progress)
    if plan.strategy == "replicas":
        standbys = [f"Deployment/{each['standby']}" for each in plan.settings["staging"]["staged"]]
        proven = late and not progress.returned
        return ", ".join(standbys) if proven else "the release's own pods"
    if plan.strategy == "partition":
        return "the pods where they are: what is held stays held" if late else "the pods of before"
    return ""
