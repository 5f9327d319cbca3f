"""Carries a plan out: asks the machine what is next, journals the intent, acts, journals the outcome."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Any

from helm_safe.journal.secret_store import prune
from helm_safe.model.errors import (
    ClusterError,
    Forbidden,
    HelmSafeError,
    LostLease,
    OutcomeUnknown,
    PersonNeeded,
    RunFailed,
    Unreachable,
)
from helm_safe.model.events import Level
from helm_safe.model.machine import Do, Finish, Hold, Verdict, committed, next_action, safe_place, safe_share
from helm_safe.model.outline import outline
from helm_safe.model.plan import EndState, Stage, Step
from helm_safe.model.records import Kind
from helm_safe.rollback import drain, gitops, guarding, holding, joining, pinning, ratio, shift, standby
from helm_safe.rollback.approval import approve
from helm_safe.rollback.autopsy import autopsy
from helm_safe.rollback.commit import Outcome, failed, passed, recreate, repair, replicas, restart, rollback, verify
from helm_safe.rollback.context import Run, Turn, safe_words
from helm_safe.rollback.declare import declared
from helm_safe.rollback.following import follow
from helm_safe.rollback.traffic import Stuck
from helm_safe.rollback.users import users
from helm_safe.rollback.watch import watch

ActionOf = Callable[[Run, Step, bool], Outcome]
PAUSE_POLL = 1.0
MEASURED = ("share", "wanted", "actual", "waited", "bake", "deadline", "eta", "gates")
"""What a gate leaves in its outcome, for those who read the events."""


def cleanup(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Keep the last runs' journals and drop older ones."""
    prune(run.world.cluster, run.release)
    return passed("older journals pruned")


ACTIONS: dict[str, ActionOf] = {
    "approve": approve,
    "autopsy": autopsy,
    "repair": repair,
    "recreate": recreate,
    "rollback": rollback,
    "replicas": replicas,
    "restart": restart,
    "verify": verify,
    "watch": watch,
    "cleanup": cleanup,
    "isolate": shift.isolate,
    "hold": holding.hold_scalers,
    "standby": standby.create,
    "ready": standby.ready,
    "weights": shift.weights,
    "join": standby.join,
    "bridge": drain.bridge,
    "drain": drain.drain,
    "forget": shift.forget,
    "reassert": shift.reassert,
    "warm": shift.warm_restored,
    "users": users,
    "follow": follow,
    "watchdog": guarding.leave,
    "end watchdog": guarding.end,
    "suspend": gitops.suspend,
    "resume sync": gitops.resume_sync,
    "stays suspended": gitops.stays_suspended,
    "leave": standby.leave,
    "routes": shift.restore,
    "remove": standby.remove,
    "release": holding.release_scalers,
    "refill": drain.refill,
    "safe": shift.go_safe,
    "keep": shift.keep_safe,
    "ratio": ratio.ratio,
    "hold again": ratio.reassert,
    "left": ratio.left,
    "pods back": ratio.refill,
    "keep pods": ratio.keep,
    "pin": pinning.pin,
    "pin again": pinning.pin_again,
    "lower": pinning.lower,
    "unpin": pinning.unpin,
    "stay": pinning.stay,
}


def carry_out(run: Run, request: str = "") -> EndState:
    """Go on until the run ends. Raises Interrupted at a safe point after a signal, and what the ports raise.

    request: "abort" makes the machine choose the way out.
    """
    run.upkeep = joining.keep_joined if run.plan.strategy == "replicas" else None
    with _signals(run.signals), closing(run), _told_as_mid_run(run), declared(run):
        _open(run)
        paused = False
        while True:
            action = next_action(run.plan, run.progress, request or run.request())
            if isinstance(action, Finish):
                return _finish(run, action)
            if isinstance(action, Hold):
                run.stop_here("while it was paused")
                paused = paused or _tell_paused(run)
                run.world.clock.sleep(PAUSE_POLL)
            else:
                paused = False
                run.stop_here(f"before this step: {action.step.title}")
                with suppress(Turn):
                    _do(run, action)


def _open(run: Run) -> None:
    """Tell the whole course, so that whoever watches knows what is still to come."""
    words = "goes on" if run.progress.begun or run.progress.done else "begins"
    run_id = run.journal.run_id
    run.tell(Stage.PLAN, f"run {run_id} {words}", **outline(run_id, run.plan, run.progress))


def _tell_paused(run: Run) -> bool:
    last = run.progress.last
    name = f"{run.release.name} -n {run.release.namespace}"
    words = f"paused on request; users stay where they are. `helm safe-rollback resume {name}` lets it go on"
    run.tell(Stage(last.stage) if last else Stage.PLAN, words, Level.WARNING, kind="paused")
    return True


def _do(run: Run, action: Do) -> None:
    step = action.step
    run.record(Kind.INTENT, step.stage, step.id)
    run.tell(step.stage, step.title, kind="step", step=step.id, state="begun")
    try:
        outcome = ACTIONS[step.action](run, step, action.again)
    except Stuck as stuck:
        outcome = failed(f"{stuck.message}. {stuck.next_step}".strip())
    outcome = {**outcome, "at": run.world.cluster.now().isoformat()}
    run.record(Kind.DONE, step.stage, step.id, outcome)
    good = outcome["verdict"] == Verdict.PASS.value
    words = str(outcome.get("message") or outcome.get("reason"))
    measured = {name: outcome[name] for name in MEASURED if outcome.get(name) is not None}
    facts = {**measured, "kind": "step", "step": step.id, "state": "done" if good else "failed"}
    run.tell(step.stage, words, Level.GOOD if good else Level.ERROR, **facts)


def _finish(run: Run, action: Finish) -> EndState:
    if not run.progress.end:
        run.record(Kind.END, Stage.CLEANUP, data={"state": action.state.value, "reason": action.reason})
    words = f"the run ended {action.state.value}" + (f": {action.reason}" if action.reason else "")
    level = Level.GOOD if action.state is EndState.SUCCEEDED else Level.WARNING
    run.tell(Stage.CLEANUP, words, level, kind="end", state=action.state.value, reason=action.reason)
    return action.state


def raise_for(run: Run, state: EndState) -> None:
    """Turn an end state into the error that carries its exit code; a whole success and a whole abort raise nothing."""
    out = [run.progress.done.get(step.id, {}) for step in (*run.plan.undo, *run.plan.hold)]
    stuck = next((each for each in out if each.get("verdict") == Verdict.FAIL.value), None)
    if state in (EndState.SUCCEEDED, EndState.ABORTED) and not stuck:
        return
    release, reason = run.release, run.progress.reason
    evidence = run.progress.done.get("autopsy", {}).get("folder", "the journal")
    if stuck and not committed(run.progress):
        raise PersonNeeded(
            f"the run of release {release} could not put everything back: {stuck['reason']}"
            + (f" It had stopped because {reason}" if reason != stuck["reason"] else ""),
            f"Mend that, then `helm safe-rollback abort {release.name} -n {release.namespace}` puts the rest back.",
        )
    if committed(run.progress):
        raise PersonNeeded(
            f"the run of release {release} stopped after the native rollback: {reason}" + _where(run, stuck),
            f"`helm safe-rollback resume {release.name} -n {release.namespace}` tries the rest again; "
            f"`helm history {release.name} -n {release.namespace}` shows which revision is live; "
            f"the evidence is in {evidence}.",
        )
    raise RunFailed(
        f"the rollback of release {release} stopped before the release was touched: {reason}",
        _put_back(run),
    )


def _put_back(run: Run) -> str:
    """How things stand after a stop before COMMIT, and what next."""
    if run.plan.traffic is None and not run.plan.undo:
        return "Nothing was changed. Mend the cause and run it again."
    done = run.progress.done.values()
    shared = " Look at what both revisions share, such as a database or configuration."
    advice = shared if any(outcome.get("both_bad") for outcome in done) else ""
    why = next((outcome["no_help"] for outcome in done if outcome.get("no_help")), "")
    told = f"\nA rollback does not help: {why}." if why else ""
    where = _safe(run)
    return f"Everything is as it was; users are at {where}.{advice}{told}"


def _where(run: Run, stuck: dict[str, Any] | None) -> str:
    """Where users are after a stop behind COMMIT."""
    if run.plan.strategy == "partition":
        return f"; the pods stay {pinning.held_words(run)}"
    if run.plan.traffic is None and not run.plan.hold:
        return ""
    if stuck:
        return f"; and users could not be sent to proven pods: {stuck['reason']}"
    return f"; all users are at {_safe(run)}, which has proved itself"


def _safe(run: Run) -> str:
    """Where users belong, for people."""
    if run.plan.traffic is None:
        return safe_place(run.plan, run.progress)
    return safe_words(run.plan, safe_share(run.plan, run.progress))


@contextmanager
def _told_as_mid_run(run: Run) -> Iterator[None]:
    """Errors in the middle of a run for what they are there: elsewhere some of them mean that nothing was touched."""
    try:
        yield
    except LostLease:
        raise
    except ClusterError as error:
        if not isinstance(error, (Unreachable, Forbidden)):
            run.lock.check()  # what looks odd after a takeover is the other process's doing
        name = f"{run.release.name} -n {run.release.namespace}"
        raise OutcomeUnknown(
            f"run {run.journal.run_id} of release {run.release} stopped in the middle: {error.message}",
            f"Once that is mended, `helm safe-rollback resume {name}` goes on, and `abort` puts things back; "
            "`status` tells how far it came.",
        ) from error
    except HelmSafeError:
        run.lock.check()
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
