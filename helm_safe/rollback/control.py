"""Starting, resuming, aborting and looking at runs, from any machine."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from helm_safe.checks.run import run_checks
from helm_safe.core.findings import Finding
from helm_safe.helm.flags import check_flags
from helm_safe.journal.lease import DURATION, Holder, Lease, current_holder, leave_request
from helm_safe.journal.mirror import MirroredJournal
from helm_safe.journal.secret_store import SecretJournal, journal_of, runs_of
from helm_safe.model.changes import Change
from helm_safe.model.errors import Blocked, ClusterError, Conflict, NotFound, OutcomeUnknown, UsageError
from helm_safe.model.events import Event, Level
from helm_safe.model.evidence import current_of, propose
from helm_safe.model.plan import Advice, EndState, Plan, Stage
from helm_safe.model.records import Kind, Progress, Record, fold
from helm_safe.model.revisions import Evidence, History, Release, Revision
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.ports import Confirm
from helm_safe.rollback.context import Run, World
from helm_safe.rollback.inspect import evidence_for, gather, revision_of
from helm_safe.rollback.planning import build_plan
from helm_safe.rollback.runner import carry_out, raise_for


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is touched."""

    history: History
    evidence: dict[int, Evidence]
    proposed: bool
    snapshot: Snapshot
    findings: tuple[Finding, ...]
    plan: Plan


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its journal tells it, and who holds the Lease now."""

    run_id: str
    progress: Progress
    holder: Holder | None
    records: tuple[Record, ...]

    @property
    def unfinished(self) -> bool:
        return bool(self.progress.plan) and not self.progress.end


def prepare(world: World, release: Release, number: int | None, settings: Settings) -> Prepared:
    """INSPECT and PLAN; writes nothing. Raises NotFound, ClusterError, UsageError (no good revision, wrong flags)."""
    history = world.releases.history(release)
    evidence = evidence_for(world, history, settings.known_good_after)
    target = revision_of(history, number) if number else _proposal(history, evidence)
    check_flags(world.releases.version(), settings.native, target)
    change = Change(current=current_of(history) or history.last, target=target)
    snapshot = gather(world, history, change, settings)
    findings = tuple(run_checks(snapshot))
    return Prepared(history, evidence, number is None, snapshot, findings, build_plan(snapshot, findings, settings))


def refuse_if_blocked(prepared: Prepared) -> None:
    """Raise Blocked with the ids that stand against the rollback; the findings themselves were shown before."""
    blocking = [finding for finding in prepared.findings if finding.blocks]
    if not blocking and prepared.plan.advice in (Advice.ROLL_BACK, Advice.BRIDGE):
        return
    ids = ", ".join(dict.fromkeys(finding.check for finding in blocking))
    raise Blocked(
        f"the rollback of {prepared.history.release} to revision {prepared.plan.target} is blocked by {ids}; "
        "the release is untouched",
        'Mend what the findings name, or let one through with --accept ID="reason".',
    )


def start(
    world: World,
    release: Release,
    number: int | None,
    settings: Settings,
    *,
    show: Callable[[Prepared], None],
    confirm: Confirm,
) -> Run:
    """A whole run from INSPECT to its end. Raises the error that carries the exit code of any end but SUCCEEDED."""
    run_id = f"{world.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    lease = Lease(world.cluster, release, identity(run_id), world.clock)
    world.releases.history(release)  # a release that does not exist is said before anything is written
    lease.acquire(notice=lambda words: _notice(world, words))
    try:
        _refuse_if_unfinished(world, release)
        prepared = prepare(world, release, number, settings)
        show(prepared)
        refuse_if_blocked(prepared)
        if not settings.yes and not confirm(question(prepared)):
            raise Blocked("you said no; the release is untouched")
        journal = MirroredJournal(SecretJournal(world.cluster, release, run_id, lease), world.evidence, release)
        run = Run(world, release, prepared.plan, settings, journal, lease)
        _begin(run, prepared)
        raise_for(run, _carry_out(run))
        return run
    finally:
        lease.release()


def resume(world: World, release: Release, settings: Settings) -> Run:
    """Go on with the unfinished run. Raises NotFound where there is none, Blocked while its process lives."""
    run, lease = _take_over(world, release, settings)
    try:
        raise_for(run, _carry_out(run))
        return run
    finally:
        lease.release()


def abort(world: World, release: Release, settings: Settings) -> EndState:
    """Stop the run: ask its process where it lives, else take it over and undo what was done.

    Raises PersonNeeded when the native rollback already ran, because the old pods are gone then.
    """
    state = unfinished_run(world, release)
    if state.holder and _ask(world, release, state, "abort"):
        return EndState.ABORTED
    run, lease = _take_over(world, release, settings)
    try:
        end = _carry_out(run, request="abort")
        raise_for(run, end)
        return end
    finally:
        lease.release()


def request(world: World, release: Release, verb: str) -> None:
    """Leave pause, resume or promote for the process that runs. Raises NotFound where none does."""
    state = unfinished_run(world, release)
    if not state.holder:
        raise NotFound(
            f"no process works on run {state.run_id} of {release}",
            f"`helm safe-rollback resume {release.name} -n {release.namespace}` goes on with it.",
        )
    leave_request(world.cluster, release, verb)


def latest_run(world: World, release: Release) -> RunState | None:
    """The newest run of a release, finished or not; None where there never was one."""
    runs = runs_of(world.cluster, release)
    if not runs:
        return None
    run_id = max(runs)
    return RunState(run_id, fold(runs[run_id]), current_holder(world.cluster, release), tuple(runs[run_id]))


def unfinished_run(world: World, release: Release) -> RunState:
    """The run that has no end yet. Raises NotFound where there is none."""
    state = latest_run(world, release)
    if state is None or not state.unfinished:
        ended = f" (the last one, {state.run_id}, ended {state.progress.end})" if state else ""
        raise NotFound(f"no run is under way for release {release}{ended}")
    return state


def identity(run_id: str) -> str:
    """Who holds the Lease, for people: user, host and run."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()} run {run_id}"


def question(prepared: Prepared) -> str:
    target = prepared.snapshot.change.target
    facts = "; ".join(prepared.evidence[target.number].facts) if target.number in prepared.evidence else ""
    known = f" ({facts})" if facts else ""
    return f"Roll {prepared.history.release} back to revision {target.number}{known}?"


def _proposal(history: History, evidence: dict[int, Evidence]) -> Revision:
    found = propose(history, evidence)
    if found is None:
        raise UsageError(
            f"no revision of {history.release} has evidence of having been good, so none is proposed",
            f"Look at `helm safe-rollback history {history.release.name} -n {history.release.namespace}` and name one.",
        )
    return found


def _refuse_if_unfinished(world: World, release: Release) -> None:
    state = latest_run(world, release)
    if state and state.unfinished:
        raise Blocked(
            f"run {state.run_id} of release {release} is unfinished (stage {_stage_of(state)}, since {_since(state)})",
            f"Go on with `helm safe-rollback resume {release.name} -n {release.namespace}`, or end it with `abort`.",
        )


def _begin(run: Run, prepared: Prepared) -> None:
    body = {
        "plan": prepared.plan.to_json(),
        "by": identity(run.journal.run_id),
        "findings": [finding.to_json() for finding in prepared.findings],
    }
    run.record(Kind.START, Stage.PLAN, data=body)
    run.tell(Stage.PLAN, f"run {run.journal.run_id} begins", Level.INFO, run=run.journal.run_id)


def _take_over(world: World, release: Release, settings: Settings) -> tuple[Run, Lease]:
    """Hold the Lease under a new epoch and fence the journal, so that an older process cannot write any more."""
    state = unfinished_run(world, release)
    lease = Lease(world.cluster, release, identity(state.run_id), world.clock)
    lease.acquire(notice=lambda words: _notice(world, words))
    try:
        journal = MirroredJournal(journal_of(world.cluster, release, state.run_id, lease), world.evidence, release)
        progress = fold(journal.records())
        plan = _plan_of(progress, state.run_id)
        run = Run(world, release, plan, _settings_of(plan, settings), journal, lease, progress)
        run.record(Kind.NOTE, Stage.INSPECT, data={"taken over by": lease.identity})
    except BaseException:
        lease.release()
        raise
    return run, lease


def _carry_out(run: Run, request: str = "") -> EndState:
    """Go on until the run ends. What the API server refuses now no longer means that nothing was touched."""
    try:
        return carry_out(run, request)
    except ClusterError as error:
        name = f"{run.release.name} -n {run.release.namespace}"
        raise OutcomeUnknown(
            f"run {run.journal.run_id} of release {run.release} stopped where it was: {error.message}",
            f"Once that is mended, `helm safe-rollback resume {name}` goes on, and `abort` ends it; "
            f"`status` tells how far it came.",
        ) from error


def _plan_of(progress: Progress, run_id: str) -> Plan:
    if progress.plan is None:
        raise OutcomeUnknown(f"the journal of run {run_id} has no plan; it cannot be continued")
    return progress.plan


def _settings_of(plan: Plan, settings: Settings) -> Settings:
    return replace(settings, bake=float(plan.settings["bake"]), timeout=float(plan.settings["timeout"]))


def _ask(world: World, release: Release, state: RunState, verb: str) -> bool:
    """Leave the request and wait for the end; False where the process that held the Lease is dead."""
    holder = state.holder
    try:
        leave_request(world.cluster, release, verb)
    except Conflict:
        leave_request(world.cluster, release, verb)
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
    if state and state.progress.end == EndState.SUCCEEDED.value:
        raise NotFound(f"the run of {release} succeeded before it could be aborted")
    return True


def _notice(world: World, words: str) -> None:
    world.reporter.event(Event(world.clock.now(), Stage.INSPECT.value, Level.WARNING, words))


def _stage_of(state: RunState) -> str:
    return state.progress.last.stage if state.progress.last else "unknown"


def _since(state: RunState) -> datetime | str:
    return state.progress.started_at or "unknown"
