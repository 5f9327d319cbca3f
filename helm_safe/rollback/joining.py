"""Which pods of a standby stand behind the live Services: told by labels, seen in the endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.annotations import ROLE_LABEL, RUN_LABEL, STANDBY_LABEL
from helm_safe.core.objects import Object, dig, labels_of, name_of, sequence
from helm_safe.model.health import is_ready
from helm_safe.model.machine import committed
from helm_safe.model.plan import Step
from helm_safe.model.resources import ENDPOINT_SLICES, PODS, SERVICE_NAME
from helm_safe.model.staging import Staged
from helm_safe.rollback.context import Run
from helm_safe.rollback.standby import staging_of_plan, wear, worn_labels


def join(run: Run, staged: Staged, count: int, *, more_only: bool = False) -> None:
    """Let so many pods of a standby serve the live Services, the ready ones first; those that do already stay longest.

    more_only: take none away.
    """
    pods = sorted(standby_pods(run, staged), key=lambda pod: (not _in(run, pod), not is_ready(pod), name_of(pod)))
    for number, pod in enumerate(pods):
        if number < count:
            wear(run, pod, "returned")
        elif not more_only:
            wear(run, pod, "worn")


def joined(run: Run, staged: Staged) -> int:
    """How many do."""
    return sum(_in(run, pod) for pod in standby_pods(run, staged))


def keep_joined(run: Run) -> None:
    """A pod of the standby that takes another one's place has the labels of its template: it joins as that one had."""
    wanted = _wanted(run)
    for each in staging_of_plan(run).staged if any(wanted.values()) else ():
        join(run, each, wanted.get(str(each.workload), 0), more_only=True)


def serving(run: Run, staged: Staged) -> Iterator[tuple[str, int, int]]:
    """(Service, ready pods of the standby behind it, those of the release itself) for each way in."""
    names = {name_of(pod) for pod in standby_pods(run, staged)}
    for door in staged.doors:
        behind = behind_service(run, door.service)
        yield door.service, len(behind & names), len(behind - names)


def behind_service(run: Run, service: str) -> set[str]:
    """Names of the pods that a Service sends users to; addresses where an endpoint names no pod."""
    pieces = run.world.cluster.list(ENDPOINT_SLICES, run.release.namespace, labels=f"{SERVICE_NAME}={service}").items
    return {
        str(dig(endpoint, "targetRef", "name") or dig(endpoint, "addresses", 0))
        for piece in pieces
        for endpoint in sequence(piece, "endpoints")
        if dig(endpoint, "conditions", "ready") is not False and not dig(endpoint, "conditions", "terminating")
    }


def actual(run: Run, step: Step) -> float | None:
    """Percent of the ready pods behind the live Services that are on trial; None where none is ready."""
    found = [(mine, theirs) for each in staging_of_plan(run).staged for _, mine, theirs in serving(run, each)]
    mine, every = sum(mine for mine, _ in found), sum(mine + theirs for mine, theirs in found)
    if not every:
        return None
    return 100 * (mine if step.args["trial"] == "canary" else every - mine) / every


def standby_pods(run: Run, staged: Staged) -> list[Object]:
    """The pods of one standby that are not ending."""
    labels = f"{RUN_LABEL}={run.journal.run_id},{ROLE_LABEL}=standby,{STANDBY_LABEL}={staged.standby}"
    found = run.world.cluster.list(PODS, run.release.namespace, labels=labels).items
    return [pod for pod in found if not dig(pod, "metadata", "deletionTimestamp")]


def _in(run: Run, pod: Object) -> bool:
    """Whether the pod wears the labels by which the live Services select it."""
    wanted = worn_labels(run, pod, "returned")
    return bool(wanted) and all(labels_of(pod).get(key) == value for key, value in wanted.items())


def _wanted(run: Run) -> dict[str, int]:
    """Pods of each standby that belong behind the live Services by now, as the journal tells."""
    progress = run.progress
    seen = progress.begun | set(progress.done)
    if any(step.id in seen for step in run.plan.undo) or progress.returned:
        return {}
    if committed(progress) and any(step.id in seen for step in run.plan.hold):
        return {str(each.workload): each.replicas for each in staging_of_plan(run).staged}
    steps = [step for step in run.plan.steps if step.action == "ratio" and step.id in seen]
    return dict(steps[-1].args["joined"]) if steps else {}
