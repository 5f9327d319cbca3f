"""Starting, resuming, aborting and looking at runs, from any machine."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from helm_safe.journal.lease import DURATION, Lease, leave_approval, leave_request
from helm_safe.journal.mirror import MirroredJournal
from helm_safe.journal.secret_store import SecretJournal, journal_of
from helm_safe.model.errors import Blocked, Conflict, NotFound, OutcomeUnknown, RunFailed
from helm_safe.model.events import Event, Level
from helm_safe.model.machine import Verdict, safe_share
from helm_safe.model.plan import EndState, Plan, Stage
from helm_safe.model.policy import Resolved
from helm_safe.model.records import INCIDENT, NOTIFIER, Approval, Kind, Progress, fold
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Asked, Settings
from helm_safe.ports import Confirm
from helm_safe.rollback.context import Run, World, safe_words
from helm_safe.rollback.prepare import Prepared, prepare, question, refuse_if_blocked
from helm_safe.rollback.runner import carry_out, raise_for
from helm_safe.rollback.runs import (
    UNDO_ISOLATE,
    RunState,
    latest_run,
    refuse_if_unfinished,
    resumable_run,
    standing_isolation,
    unfinished_run,
)
from helm_safe.rollback.shift import forget_routes
from helm_safe.rollback.traffic import move, settle


class Seat(NamedTuple):
    """The right to write for a release: the world behind the fence of the Lease, and the run that holds it."""

    world: World
    release: Release
    run_id: str
    lease: Lease


@contextmanager
def seat(world: World, release: Release, run_id: str = "") -> Iterator[Seat]:
    """Hold the Lease, for a new run where none is named. Raises Blocked while somebody else holds it."""
    run_id = run_id or f"{world.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    lease = Lease(world.cluster, release, identity(run_id), world.clock)
    lease.acquire(notice=lambda words: _notice(world, words))
    try:
        yield Seat(world.fenced(lease), release, run_id, lease)
    finally:
        lease.release()


def start(
    world: World,
    release: Release,
    number: int | None,
    asked: Asked,
    *,
    show: Callable[[Prepared], None],
    confirm: Confirm,
) -> Run:
    """A whole run from INSPECT to its end. Raises the error that carries the exit code of any end but SUCCEEDED."""
    world.releases.history(release)  # a release that does not exist is said before anything is written
    with seat(world, release) as held:
        refuse_if_unfinished(held.world, release)
        prepared = prepare(held.world, release, number, asked)
        settings = prepared.snapshot.settings
        show(prepared)
        refuse_if_blocked(prepared)
        if not settings.yes and not confirm(question(prepared)):
            raise Blocked("you said no; the release is untouched")
        plan, findings = prepared.plan, [finding.to_json() for finding in prepared.findings]
        del prepared  # all objects of a large namespace, for minutes to come
        return finish(begin(held, plan, settings, findings))


def begin(held: Seat, plan: Plan, settings: Settings, findings: Sequence[Any] = ()) -> Run:
    """Journal the start of a run; from here on it can be resumed. An isolation that stands is taken over."""
    world, release, run_id, lease = held
    journal = MirroredJournal(SecretJournal(world.cluster, release, run_id, lease), world.evidence, release)
    run = Run(world, release, plan, settings, journal, lease)
    body = {"plan": plan.to_json(), "by": identity(run_id), "findings": list(findings)}
    run.record(Kind.START, Stage.PLAN, data=body)
    _inherit(run)
    return run


def finish(run: Run) -> Run:
    """Carry a run out to its end. Raises what `raise_for` says of any end but success."""
    end = carry_out(run)
    raise_for(run, end)
    if end is EndState.ABORTED:
        raise RunFailed(
            f"the run of release {run.release} was aborted; the release is as it was",
            f"Users are at {safe_words(run.plan, safe_share(run.plan, run.progress))}." if run.plan.traffic else "",
        )
    return run


def resume(world: World, release: Release, settings: Settings) -> Run | None:
    """Go on with the unfinished run; None where its process was only paused and goes on itself.

    Raises NotFound where there is none, Blocked while its process lives and is not paused.
    """
    state = resumable_run(world, release)
    if state.holder and state.holder.requests[-1:] == ("pause",) and _answers(world, release, state):
        return None
    with seat(world, release, state.run_id) as held:
        run = _take_over(held, settings)
        if run.progress.end:
            run.record(Kind.REOPEN, Stage.RETURN)
        return finish(run)


def abort(world: World, release: Release, settings: Settings) -> EndState:
    """Stop the run: ask its process where it lives, else take it over and undo what was done.

    Raises PersonNeeded when the native rollback already ran, because the old pods are gone then.
    """
    state = unfinished_run(world, release)
    if state.holder and _ask(world, release, state, "abort"):
        return EndState.ABORTED
    end = _way_out(world, release, state, settings)
    _refuse_success(release, end.value)
    return end


def take_to_safety(world: World, release: Release, settings: Settings) -> EndState:
    """Abort the run whose process is gone, without asking it: its Lease must have lapsed.

    Raises Blocked where it is renewed after all, PersonNeeded when the native rollback already ran.
    """
    return _way_out(world, release, unfinished_run(world, release), settings)


def _way_out(world: World, release: Release, state: RunState, settings: Settings) -> EndState:
    """Take the run over and abort it; what an earlier abort could not put back is tried again."""
    with seat(world, release, state.run_id) as held:
        run = _take_over(held, settings)
        if state.stuck:
            run.record(Kind.REOPEN, Stage.CLEANUP)
        end = carry_out(run, request="abort")
        raise_for(run, end)
        return end


def request(world: World, release: Release, verb: str) -> str:
    """Leave pause, resume, promote or abort for the process that runs. Raises NotFound where none does.

    A promotion of a run that waits for approval is kept for it also while nobody works on it; returns what was
    approved then, "" otherwise.
    """
    state = unfinished_run(world, release)
    if verb == "promote" and state.waiting:
        step, facts = state.waiting
        approval = Approval(state.run_id, step, facts["since"], person())
        _twice(lambda: leave_approval(world.cluster, release, approval))
        return str(facts["for"])
    if not state.holder:
        raise NotFound(
            f"no process works on run {state.run_id} of {release}",
            f"`helm safe-rollback resume {release.name} -n {release.namespace}` goes on with it.",
        )
    _leave(world, release, verb)
    return ""


def identity(run_id: str) -> str:
    """Who holds the Lease, for people: user, host and run."""
    return f"{person()} run {run_id}"


def person() -> str:
    """Who runs this command: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _inherit(run: Run) -> None:
    """Take over the originals of an isolation that stands: they, not its weights, are what must come back."""
    found = standing_isolation(run.world, run.release) if run.plan.settings["isolated"] else None
    moved = {f"route {route.ref}" for route in run.plan.traffic.routes} if run.plan.traffic else set()
    for step, data in found[1].captured.items() if found else ():
        if step in moved:
            run.record(Kind.CAPTURED, Stage.ISOLATE, step, data)
        elif step == INCIDENT or step.startswith(NOTIFIER):  # it was handed over to whoever goes on
            run.record(Kind.CAPTURED, Stage.DECLARE, step, data)


def undo_isolation(world: World, release: Release, settings: Settings) -> None:
    """Put the routes of a standing isolation back as they were. Raises NotFound where nobody is isolated."""
    found = standing_isolation(world, release)
    if found is None:
        raise NotFound(f"no isolation of release {release} stands")
    refuse_if_unfinished(world, release)
    with seat(world, release, found[0]) as held:
        run = _take_over(held, settings)
        run.record(Kind.INTENT, Stage.CLEANUP, UNDO_ISOLATE)
        move(run, None)
        forget_routes(run)
        settle(run)
        run.record(Kind.DONE, Stage.CLEANUP, UNDO_ISOLATE, {"verdict": Verdict.PASS.value})
        run.tell(Stage.CLEANUP, "the routes are as they were before the isolation", Level.GOOD)


def _take_over(held: Seat, settings: Settings) -> Run:
    """The run as its journal tells it, under the new epoch: an older process cannot write any more."""
    world, release, run_id, lease = held
    journal = MirroredJournal(journal_of(world.cluster, release, run_id, lease), world.evidence, release)
    progress = fold(journal.records())
    plan = _plan_of(progress, run_id)
    run = Run(world, release, plan, _settings_of(plan, settings), journal, lease, progress)
    run.record(Kind.NOTE, Stage.INSPECT, data={"taken over by": lease.identity})
    return run


def _plan_of(progress: Progress, run_id: str) -> Plan:
    if progress.plan is None:
        raise OutcomeUnknown(f"the journal of run {run_id} has no plan; it cannot be continued")
    return progress.plan


def _settings_of(plan: Plan, settings: Settings) -> Settings:
    settled = settings.settled(Resolved.from_json(plan.settings.get("options", {})))
    return replace(settled, bake=float(plan.settings["bake"]), timeout=float(plan.settings["timeout"]))


def _answers(world: World, release: Release, state: RunState) -> bool:
    """Ask a paused process to go on; False where it shows no sign of life for as long as a Lease lasts."""
    _leave(world, release, "resume")
    _notice(world, f"asked {state.holder.identity if state.holder else 'the run'} to go on")
    asked = world.clock.monotonic()
    while world.clock.monotonic() - asked < DURATION:
        world.clock.sleep(1.0)
        now = latest_run(world, release)
        if now is None or not now.holder or not state.holder or now.holder.renewed != state.holder.renewed:
            return True
    return False


def _leave(world: World, release: Release, verb: str) -> None:
    _twice(lambda: leave_request(world.cluster, release, verb))


def _twice(leave: Callable[[], None]) -> None:
    """The holder renews the Lease every few seconds, maybe just now."""
    try:
        leave()
    except Conflict:
        leave()


def _ask(world: World, release: Release, state: RunState, verb: str) -> bool:
    """Leave the request and wait for the end; False where the process that held the Lease is dead."""
    holder = state.holder
    _leave(world, release, verb)
    _notice(world, f"asked {holder.identity if holder else 'the run'} to {verb}; waiting for it")
    quiet_since, renewed = world.clock.monotonic(), holder.renewed if holder else ""
    while world.clock.monotonic() - quiet_since < DURATION + 1:
        world.clock.sleep(1.0)
        now = latest_run(world, release)
        if now is None or not now.unfinished:
            return _ended(release, now)
        if not now.holder:
            return False
        if now.holder.renewed != renewed:
            quiet_since, renewed = world.clock.monotonic(), now.holder.renewed
    return False


def _ended(release: Release, state: RunState | None) -> bool:
    _refuse_success(release, state.progress.end if state else "")
    return True


def _refuse_success(release: Release, end: str) -> None:
    if end == EndState.SUCCEEDED.value:
        raise NotFound(f"the run of {release} succeeded before it could be aborted")


def _notice(world: World, words: str) -> None:
    world.reporter.event(Event(world.clock.now(), Stage.INSPECT.value, Level.WARNING, words))
