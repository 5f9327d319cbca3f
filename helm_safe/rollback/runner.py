"""Carries a plan out: asks the machine what is next, journals the intent, acts, journals the outcome."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from helm_safe.journal.secret_store import prune
from helm_safe.model.errors import (
    Forbidden,
    HelmSafeError,
    LostLease,
    OutcomeUnknown,
    PersonNeeded,
    RunFailed,
    Unreachable,
)
from helm_safe.model.events import Level
from helm_safe.model.machine import Do, Finish, Hold, Verdict, committed, next_action
from helm_safe.model.plan import EndState, Stage, Step
from helm_safe.model.records import Kind
from helm_safe.rollback.autopsy import autopsy
from helm_safe.rollback.commit import Outcome, passed, recreate, repair, replicas, restart, rollback, verify
from helm_safe.rollback.context import Run
from helm_safe.rollback.watch import watch

ActionOf = Callable[[Run, Step, bool], Outcome]
PAUSE_POLL = 1.0


def cleanup(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Keep the last runs' journals and drop older ones."""
    prune(run.world.cluster, run.release)
    return passed("older journals pruned")


ACTIONS: dict[str, ActionOf] = {
    "autopsy": autopsy,
    "repair": repair,
    "recreate": recreate,
    "rollback": rollback,
    "replicas": replicas,
    "restart": restart,
    "verify": verify,
    "watch": watch,
    "cleanup": cleanup,
}


def carry_out(run: Run, request: str = "") -> EndState:
    """Go on until the run ends. Raises Interrupted at a safe point after a signal, and what the ports raise.

    request: "abort" makes the machine choose the way out.
    """
    with _signals(run.signals), _told_as_mid_run(run):
        while True:
            action = next_action(run.plan, run.progress, request or _newest_request(run))
            if isinstance(action, Finish):
                return _finish(run, action)
            if isinstance(action, Hold):
                run.stop_here("while it was paused")
                run.world.clock.sleep(PAUSE_POLL)
            else:
                run.stop_here(f"before this step: {action.step.title}")
                _do(run, action)


def _do(run: Run, action: Do) -> None:
    step = action.step
    run.record(Kind.INTENT, step.stage, step.id)
    run.tell(step.stage, step.title)
    outcome = ACTIONS[step.action](run, step, action.again)
    outcome = {**outcome, "at": run.world.cluster.now().isoformat()}
    run.record(Kind.DONE, step.stage, step.id, outcome)
    good = outcome["verdict"] == Verdict.PASS.value
    words = str(outcome.get("message") or outcome.get("reason"))
    run.tell(step.stage, words, Level.GOOD if good else Level.ERROR, step=step.id)


def _finish(run: Run, action: Finish) -> EndState:
    if not run.progress.end:
        run.record(Kind.END, Stage.CLEANUP, data={"state": action.state.value, "reason": action.reason})
    return action.state


def raise_for(run: Run, state: EndState) -> None:
    """Turn an end state into the error that carries its exit code; SUCCEEDED and ABORTED raise nothing."""
    if state in (EndState.SUCCEEDED, EndState.ABORTED):
        return
    where = f"release {run.release}"
    if committed(run.progress):
        raise PersonNeeded(
            f"the rollback of {where} failed after the native rollback: {run.progress.reason}",
            f"`helm history {run.release.name} -n {run.release.namespace}` shows which revision is live; "
            f"the evidence is in {run.progress.done.get('autopsy', {}).get('folder', 'the journal')}.",
        )
    raise RunFailed(
        f"the rollback of {where} stopped before the release was touched: {run.progress.reason}",
        "Nothing was changed. Mend the cause and run it again.",
    )


def _newest_request(run: Run) -> str:
    """The wish in force: a pause holds until resume, an abort wins over everything."""
    requests = list(run.lock.requests())
    if "abort" in requests:
        return "abort"
    held = [each for each in requests if each in ("pause", "resume", "promote")]
    return "pause" if held[-1:] == ["pause"] else ""


@contextmanager
def _told_as_mid_run(run: Run) -> Iterator[None]:
    """Errors in the middle of a run for what they are there: elsewhere some of them mean that nothing was touched."""
    try:
        yield
    except LostLease:
        raise
    except (Unreachable, Forbidden) as error:
        raise OutcomeUnknown(
            f"the run on release {run.release} stopped in the middle: {error.message}",
            f"Mend that, then go on with `helm safe-rollback resume {run.release.name} -n {run.release.namespace}`, "
            "or put things back with `abort`.",
        ) from error
    except HelmSafeError:
        run.lock.check()  # what looks odd after a takeover is the other process's doing
        raise


@contextmanager
def _signals(seen: list[int]) -> Iterator[None]:
    """Collect SIGINT, SIGTERM and SIGHUP instead of dying by them: a run stops only where nothing is half done."""

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before: dict[int, Any] = {}
    for number in (int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGHUP)):
        before[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
