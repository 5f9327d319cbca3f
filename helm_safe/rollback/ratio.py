"""Users moved by the ratio of ready pods: the standby's pods join the live Services, and the live pods make room.

What must grow grows first and serves before anything shrinks: users always meet as many pods as were captured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helm_safe.core.objects import dig
from helm_safe.model.events import Level
from helm_safe.model.plan import Stage, Step
from helm_safe.model.ratio import share_words
from helm_safe.model.resources import WORKLOADS
from helm_safe.model.staging import Staged
from helm_safe.rollback.commit import Outcome, passed, scale
from helm_safe.rollback.context import Run
from helm_safe.rollback.drain import bring_back, linger
from helm_safe.rollback.holding import hold_again
from helm_safe.rollback.joining import actual, join, joined, keep_joined, serving
from helm_safe.rollback.podgate import judged
from helm_safe.rollback.shift import forget_all
from helm_safe.rollback.standby import staging_of_plan
from helm_safe.rollback.traffic import SETTLE, Stuck

POLL = 2.0
WITHIN = 300.0
"""Seconds for pods to come up, as many as a node may need for an image, or to end."""


def ratio(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """One step: let in what comes, wait until it serves, take away what goes, and let the gate decide."""
    _arrange(run, step)
    return judged(run, step)


def reassert(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Right after the native rollback: autoscalers are held anew, and proven pods stand behind the live Services."""
    hold_again(run)
    keep_joined(run)
    found = [f"{mine} behind Service/{door}" for each in _staged(run) for door, mine, _ in serving(run, each)]
    return passed(f"all users are on proven pods: {', '.join(found)}")


def left(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Nothing of the standby serves the live Services any more; what users reach are the release's own pods."""
    for each in _staged(run):
        join(run, each, 0)
    _until(
        run,
        lambda each: [f"Service/{door} still has {mine} pods of ours" for door, mine, _ in serving(run, each) if mine],
    )
    run.world.clock.sleep(SETTLE)
    return passed("behind the release's own Services are its own pods alone")


def refill(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Undo: the pods of before are all there again, before the first of the standby's goes."""
    seen = run.progress.begun | set(run.progress.done)
    if not any(each.id in seen for each in run.plan.steps if each.action == "ratio"):
        return passed("no pod had been taken away")
    return bring_back(run, step)


def keep(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """After COMMIT: everybody to the pods that have proved themselves, and nobody to the release's own."""
    for each in _staged(run):
        join(run, each, each.replicas)
    _until(run, lambda each: _short(run, each, each.replicas, ours=True))
    for each in _staged(run):
        scale(run, str(each.workload), 0)
    _until(run, lambda each: _over(run, each, 0))
    forget_all(run)
    run.tell(Stage.RETURN, "users are on the pods that have proved themselves", Level.WARNING)
    return passed("all users are on proven pods")


def _arrange(run: Run, step: Step) -> None:
    """Bring both sides to their counts, the one under trial first. Raises Stuck where that does not come about."""
    counts, live, outward = step.args["joined"], step.args["live"], step.args["trial"] == "canary"
    where = f"at the step {step.title!r}; users are on as many pods as before"
    for each in _staged(run):
        name = str(each.workload)
        join(run, each, counts[name], more_only=True)
        scale(run, name, live[name], only_up=True)
    _until(run, lambda each: _short(run, each, (counts if outward else live)[str(each.workload)], ours=outward), where)
    linger(run, step, [name for name, count in live.items() if _count(run, name) > count])
    for each in _staged(run):
        scale(run, str(each.workload), live[str(each.workload)])
        join(run, each, counts[str(each.workload)])
    _until(run, lambda each: _over(run, each, live[str(each.workload)]), where)
    run.world.clock.sleep(SETTLE)
    share = actual(run, step)
    if share is not None:
        pods = ", ".join(
            f"{joined(run, each)} of {each.standby} beside {_count(run, str(each.workload))}" for each in _staged(run)
        )
        run.tell(step.stage, f"pods behind the live Services: {pods}, {share_words(share)} % under trial")


def _short(run: Run, each: Staged, wanted: int, *, ours: bool) -> list[str]:
    """Services behind which too few pods of one side are ready, in words."""
    found = [(door, mine if ours else theirs) for door, mine, theirs in serving(run, each)]
    return [f"Service/{door} has {count} of {wanted} ready pods" for door, count in found if count < wanted]


def _over(run: Run, each: Staged, wanted: int) -> list[str]:
    """Services that still send users to more of the live pods than are wanted, in words."""
    found = [(door, theirs) for door, _, theirs in serving(run, each)]
    return [
        f"Service/{door} still has {count} live pods, {wanted} are wanted" for door, count in found if count > wanted
    ]


def _until(run: Run, lacking: Callable[[Staged], list[str]], where: str = "") -> None:
    """Wait until nothing is lacking of any workload. where: for a wait that may be left."""
    deadline = run.world.clock.monotonic() + WITHIN
    while words := [each for staged in _staged(run) for each in lacking(staged)]:
        if where:
            run.safe_point(where)
        if run.world.clock.monotonic() > deadline:
            raise Stuck("; ".join(words))
        run.world.clock.sleep(POLL)


def _count(run: Run, name: str) -> int:
    kind, _, object_name = name.partition("/")
    live: Mapping[str, object] = run.world.cluster.get(WORKLOADS[kind], run.release.namespace, object_name) or {}
    return int(dig(live, "spec", "replicas") or 0)


def _staged(run: Run) -> tuple[Staged, ...]:
    return staging_of_plan(run).staged
