"""STANDBY: the target revision's pods beside the current ones, under objects of our own."""

from __future__ import annotations

from typing import Any

from helm_safe.core.annotations import MANAGED_BY, ROLE_LABEL, RUN_LABEL, STANDBY_LABEL
from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, name_of, ref_of
from helm_safe.model.changes import Change
from helm_safe.model.errors import Conflict, Missing
from helm_safe.model.events import Level
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage, Step
from helm_safe.model.records import Kind
from helm_safe.model.resources import PODS
from helm_safe.model.staging import Staging
from helm_safe.model.standby import joined_labels, standby_objects
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.inspect import list_live, revision_of
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.traffic import OBJECTS, Stuck, made_here, routes_of, settle
from helm_safe.rollback.warmup import wanted_by, warm_up

POLL = 2.0
STEADY = 5.0  # seconds for which all pods must be up before they are warmed up
GONE_WITHIN = 60.0
LABELS = "standby labels"


def create(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - what is there already is kept
    """Make the standby's objects; their names and labels are journaled before the first is made."""
    history = run.world.releases.history(run.release)
    change = Change(revision_of(history, run.plan.current), revision_of(history, run.plan.target))
    served = run.world.cluster.served()
    live = list_live(run.world.cluster, served, change, run.release).objects
    staging, run_id, release = staging_of_plan(run), run.journal.run_id, run.release.name
    made = standby_objects(staging, change, live, run_id, release)
    if not run.captured(OBJECTS):
        run.record(Kind.CAPTURED, step.stage, OBJECTS, {"refs": [list(ref_of(obj)) for obj in made]})
    if not run.captured(LABELS):  # for itself: a kill may have come between the two
        labels = joined_labels(staging, change, live, run_id, release)
        run.record(Kind.CAPTURED, step.stage, LABELS, {name: each._asdict() for name, each in labels.items()})
    uids = {str(ref_of(obj)): make(run, obj) for obj in made}
    return passed(f"made {', '.join(uids)}", uids=uids)


def ready(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Wait until the standby's pods are up and stay so, then warm them up with requests of our own."""
    pods, steady_since = watched(run, step.stage), None
    clock = run.world.clock
    deadline = clock.monotonic() + float(run.plan.settings["timeout"])
    while steady_since is None or clock.monotonic() - steady_since < STEADY:
        run.safe_point("while the standby comes up; users are where they were")
        health = pods.look()
        if health.verdict is Verdict.FAIL:
            return failed(f"the standby does not come up: {health.message}")
        steady_since = (steady_since or clock.monotonic()) if health.verdict is Verdict.PASS else None
        if clock.monotonic() > deadline:
            return failed(f"the standby was not up in time: {health.message}")
        clock.sleep(POLL)
    return warm(run, step, pods)


def warm(run: Run, step: Step, pods: PodWatch) -> Outcome:
    """Requests of our own until each pod answers without error and fast; pods that cannot be asked are told."""
    wanted = wanted_by(run.settings.resolved)
    found = warm_up(run.world.cluster, run.world.clock, pods.pods(), wanted, run.stop_wanted)
    run.stop_here("while pods are warmed up")
    if found.verdict is Verdict.FAIL:
        return failed(f"{found.sentence}", numbers=found.numbers)
    if found.verdict is Verdict.INCONCLUSIVE:
        run.tell(step.stage, f"not warmed up: {found.sentence}", Level.WARNING)
    return passed("; ".join(filter(None, (pods.said, found.sentence))), numbers=found.numbers)


def join(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Let the live Services select the standby's pods too: whichever way a route points, it ends at proven pods."""
    count = _relabel(run, "returned")
    settle(run)
    return passed(f"{count} proven pods serve the release's own Services too")


def leave(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Take the standby's pods out of the live Services again."""
    count = _relabel(run, "worn")
    settle(run)
    return passed(f"{count} pods of the standby left the release's own Services")


def remove(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Delete what this run made, by its own labels and UID; nothing that a route still refers to."""
    refs = [ObjectRef(*ref) for ref in run.captured(OBJECTS).get("refs", ())]
    doors = made_here(run)
    for route in routes_of(run):
        if route.moved.ours:
            continue
        live = run.world.cluster.get(route.resource, route.ref.namespace, route.ref.name)
        held = doors & route.router.services(live) if live is not None else set()
        if held:
            return failed(f"{route.ref} still refers to Service/{min(held)}, so the standby stays")
    for ref in reversed(refs):
        _delete(run, ref)
    left = _wait_until_gone(run)
    if left:
        run.tell(step.stage, f"still ending: {', '.join(left)}", Level.WARNING)
    return passed(f"gone: {', '.join(map(str, refs))}" if refs else "nothing had been made")


def watched(run: Run, stage: Stage) -> PodWatch:
    """A watch over the standby's Deployments."""
    staging = staging_of_plan(run)
    wanted = {f"Deployment/{each.standby}": each.replicas for each in staging.staged}
    since = run.progress.started_at or run.world.cluster.now()
    live = [f"{each.workload.kind}/{each.workload.name}" for each in staging.staged]
    return PodWatch(run, stage, list(wanted), wanted, since, beside=live)


def staging_of_plan(run: Run) -> Staging:
    return Staging.from_json(run.plan.settings["staging"])


def make(run: Run, obj: Object) -> str:
    """The UID of the object, made now or by this run before. Raises Stuck for another's object of that name."""
    resource = run.world.cluster.served().of(obj)
    if resource is None:
        raise Stuck(f"{ref_of(obj)} is of a kind that the API server does not serve")
    try:
        made: Any = run.world.cluster.create(resource, obj)
    except Conflict:
        made = run.world.cluster.get(resource, str(obj["metadata"]["namespace"]), name_of(obj))
        if labels_of(made or {}).get(RUN_LABEL) != run.journal.run_id:
            raise Stuck(f"{ref_of(obj)} exists already and is not of this run", "Rename or delete it.") from None
    return str(dig(made, "metadata", "uid") or "")


def _delete(run: Run, ref: ObjectRef) -> None:
    resource = run.world.cluster.served().preferred(ref.group, ref.kind)
    live = run.world.cluster.get(resource, ref.namespace, ref.name) if resource else None
    if resource is None or live is None or labels_of(live).get(RUN_LABEL) != run.journal.run_id:
        return
    known = run.progress.done.get("standby", {}).get("uids", {}).get(str(ref), "")
    run.world.cluster.delete(resource, ref, uid=known or str(dig(live, "metadata", "uid")))


def _wait_until_gone(run: Run) -> list[str]:
    """Names of pods of the standby that outlive the wait."""
    deadline = run.world.clock.monotonic() + GONE_WITHIN
    while True:
        left = [name_of(pod) for pod in _pods(run)]
        if not left or run.world.clock.monotonic() > deadline:
            return left
        run.world.clock.sleep(POLL)


def _pods(run: Run) -> list[Object]:
    labels = f"{RUN_LABEL}={run.journal.run_id},{ROLE_LABEL}=standby"
    return run.world.cluster.list(PODS, run.release.namespace, labels=labels).items


def _relabel(run: Run, which: str) -> int:
    """Give the standby's pods the changed labels' `returned` or `worn` values; returns how many there are."""
    return sum(wear(run, pod, which) for pod in _pods(run))


def wear(run: Run, pod: Object, which: str) -> bool:
    """Give one pod of a standby these labels where it lacks them; False where it ended before the write."""
    wanted = worn_labels(run, pod, which)
    if any(labels_of(pod).get(key) != value for key, value in wanted.items()):
        try:
            run.world.cluster.patch(PODS, ref_of(pod), {"metadata": {"labels": wanted}}, manager=MANAGED_BY)
        except Missing:
            return False
    return True


def worn_labels(run: Run, pod: Object, which: str) -> dict[str, str]:
    """The changed labels with their `returned` or `worn` values."""
    mine = run.captured(LABELS).get(labels_of(pod).get(STANDBY_LABEL, ""), {})
    return {key: str(mine[which][key]) for key in mine.get("returned", {})}
