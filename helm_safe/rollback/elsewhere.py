"""A run that a Job in the cluster carries out: made, followed by its journal, and cleared away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, dig, labels_of, name_of, ref_of, sequence
from helm_safe.model.errors import (
    Blocked,
    ClusterError,
    HelmSafeError,
    OutcomeUnknown,
    PersonNeeded,
    RunFailed,
    UsageError,
)
from helm_safe.model.events import Event, Level
from helm_safe.model.health import trouble_of
from helm_safe.model.in_cluster import RUNNER, names, owned_by, selector
from helm_safe.model.machine import Verdict, committed
from helm_safe.model.plan import EndState, Stage
from helm_safe.model.records import Kind, Record
from helm_safe.model.resources import PODS
from helm_safe.model.revisions import Release
from helm_safe.rollback.context import World
from helm_safe.rollback.runs import RunState, latest_run

POLL = 2.0
STARTS = 300.0
"""Seconds within which its process must begin the run."""
REFUSALS: dict[int, type[HelmSafeError]] = {2: UsageError, 3: Blocked}
"""Exit codes of a process that refused before it began a run: the terminal ends with the same."""


def launch(world: World, objects: Sequence[Object]) -> None:
    """Make the Job suspended, then what it needs as its own, then let it go. objects: the Job first.

    Raises Blocked where one of them is there already, and what the API server refuses; what was made is gone then.
    """
    job, *others = objects
    resource = world.cluster.served().of(job)
    assert resource is not None  # noqa: S101 - every cluster serves Jobs
    made: list[Object] = []
    try:
        made.append(_create(world, {**job, "spec": {**job["spec"], "suspend": True}}))
        for obj in others:
            made.append(_create(world, owned_by(obj, made[0])))
        world.cluster.patch(resource, ref_of(job), {"spec": {"suspend": False}}, manager=MANAGED_BY)
    except BaseException:
        if made:
            clear(world, made)
        raise


def clear(world: World, objects: Sequence[Object]) -> None:
    """Delete the Job; what it owns goes with it, and what lies in other namespaces is deleted here."""
    namespace = objects[0]["metadata"]["namespace"]
    for obj in objects:
        resource = world.cluster.served().of(obj)
        if resource is not None and (obj is objects[0] or obj["metadata"].get("namespace") != namespace):
            world.cluster.delete(resource, ref_of(obj))


def _create(world: World, obj: Object) -> Object:
    resource, ref = world.cluster.served().of(obj), ref_of(obj)
    assert resource is not None  # noqa: S101 - kinds that every cluster serves
    live = world.cluster.get(resource, ref.namespace, ref.name)
    ours = live is not None and labels_of(live) == labels_of(obj)
    if live is not None and ours and sequence(live, "metadata", "ownerReferences"):
        # A Job's own, and that Job is gone: it is about to be collected, and so would be what we put in its place.
        world.cluster.delete(resource, ref, uid=str(dig(live, "metadata", "uid")))
    elif live is not None:
        where = f" -n {ref.namespace}" if ref.namespace else ""
        raise Blocked(
            f"{ref} is there already" + (", of an earlier run" if ours else ""),
            f"Look at it, then `kubectl delete {ref.kind.lower()} {ref.name}{where}`.",
        )
    return world.cluster.create(resource, obj)


def follow(world: World, release: Release, before: str) -> RunState:
    """Tell what the journal says until the run has ended. before: the newest run before it.

    Raises RunFailed, Blocked or UsageError where its process never began one, with what is known of its pod, and
    OutcomeUnknown where the Job gave up in the middle. An API server that does not answer is waited for.
    """
    started, told = world.clock.monotonic(), 0
    while True:
        try:
            state = _newest(world, release, before)
            if state is None:
                _see_that_it_starts(world, release, world.clock.monotonic() - started)
            elif len(state.records) == told and not state.progress.end:
                _see_that_it_goes_on(world, release, before)
        except ClusterError as error:
            _say(world, Stage.INSPECT, f"the run cannot be looked at: {error.message}", Level.WARNING)
            state = None
        if state:
            for record in state.records[told:]:
                _tell(world, state, record)
            told = len(state.records)
            if state.progress.end:
                return state
        world.clock.sleep(POLL)


def raise_for(release: Release, state: RunState) -> None:
    """The exit code that the run itself ended with. Raises PersonNeeded or RunFailed for any end but success."""
    words = f"the run of release {release} in the cluster ended {state.progress.end}: {state.progress.reason}"
    if state.progress.end == EndState.SUCCEEDED.value:
        return
    if committed(state.progress) or state.stuck:
        raise PersonNeeded(words, f"`helm safe-rollback resume {release.name} -n {release.namespace}` tries the rest.")
    raise RunFailed(words, f"Users are at {state.progress.safe.get('to', 'the weights of before')}.")


def _newest(world: World, release: Release, before: str) -> RunState | None:
    state = latest_run(world, release)
    return state if state and state.run_id > before else None


def _see_that_it_starts(world: World, release: Release, seconds: float) -> None:
    pods = world.cluster.list(PODS, release.namespace, labels=selector(release, RUNNER)).items
    why, code = next((trouble for pod in pods for trouble in _troubles(world, pod)), ("", 0))
    if not why and seconds > STARTS:
        why = f"it did not begin within {STARTS:.0f} s" + ("" if pods else ", and its Job has no pod")
    if why:
        error = REFUSALS.get(code, RunFailed)
        raise error(f"the Job {names(release, RUNNER)} does not carry the run out: {why}", "Nothing was changed.")


def _see_that_it_goes_on(world: World, release: Release, before: str) -> None:
    """Raises OutcomeUnknown where the Job makes no other pod for a run that has no end."""
    jobs = world.cluster.served().preferred("batch", "Job")
    assert jobs is not None  # noqa: S101 - every cluster serves Jobs
    job = world.cluster.get(jobs, release.namespace, names(release, RUNNER))
    why = "it is gone" if job is None else next(_given_up(job), "")
    state = _newest(world, release, before) if why else None  # it may have ended between the two looks
    if why and not (state and state.progress.end):
        name = f"{release.name} -n {release.namespace}"
        raise OutcomeUnknown(
            f"the Job {names(release, RUNNER)} does not carry the run to its end: {why}",
            f"`helm safe-rollback resume {name}` goes on from here, and `abort` puts things back; `status` tells how "
            "far it came.",
        )


def _given_up(job: Object) -> Iterator[str]:
    for condition in sequence(job, "status", "conditions"):
        if dig(condition, "type") == "Failed" and dig(condition, "status") == "True":
            yield f"{dig(condition, 'reason')}: {dig(condition, 'message') or 'no more is known'}"


def _troubles(world: World, pod: Object) -> Iterator[tuple[str, int]]:
    """Why the pod of the Job will not begin a run, in words, and the exit code of its process."""
    if words := trouble_of(pod):
        yield words, 0
    for status in sequence(pod, "status", "containerStatuses"):
        ended = dig(status, "state", "terminated")
        if ended and dig(ended, "exitCode"):
            name = str(dig(status, "name"))
            lines = world.cluster.logs(dig(pod, "metadata", "namespace"), name_of(pod), name, lines=5).splitlines()
            code = int(str(dig(ended, "exitCode")))
            yield f"its process ended with code {code}: {' '.join(lines)[-500:]}", code


def _tell(world: World, state: RunState, record: Record) -> None:
    plan, stage = state.progress.plan, Stage(record.stage)
    step = plan.step(record.step) if plan else None
    if record.kind is Kind.INTENT and step:
        _say(world, stage, step.title)
    if record.kind is Kind.DONE and step:
        good = record.data.get("verdict") == Verdict.PASS.value
        words = str(record.data.get("message") or record.data.get("reason") or step.title)
        _say(world, stage, words, Level.GOOD if good else Level.WARNING)
    if record.kind is Kind.WAITING:
        _say(world, stage, f"waiting for approval: {record.data.get('for', '')}", Level.WARNING)
    if record.kind is Kind.END:
        _say(world, stage, f"the run ended {state.progress.end}", Level.GOOD)


def _say(world: World, stage: Stage, words: str, level: Level = Level.INFO) -> None:
    world.reporter.event(Event(world.clock.now(), stage.value, level, words))
