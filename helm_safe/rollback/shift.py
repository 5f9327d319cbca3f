"""ISOLATE, SHIFT and RETURN: moving users between the release's own Services and those beside them."""

from __future__ import annotations

from helm_safe.model.events import Level
from helm_safe.model.machine import safe_share
from helm_safe.model.plan import Stage, Step
from helm_safe.model.resources import WORKLOADS
from helm_safe.rollback.commit import Outcome, passed
from helm_safe.rollback.context import Run, safe_words
from helm_safe.rollback.gate import Gate
from helm_safe.rollback.holding import forget_scalers, hold_again
from helm_safe.rollback.hygiene import forget_us
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.standby import staging_of_plan, warm, watched
from helm_safe.rollback.traffic import Stuck, capture, move, put_back, recapture, routes_of, settle
from helm_safe.rollback.watch import restored

READY_WITHIN = 60.0
POLL = 2.0


def isolate(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """All users to the known-good backend, now; the routes as they were are journaled first."""
    capture(run, step.stage)
    move(run, float(step.args["share"]))
    settle(run)
    return passed(f"all users are at {step.args['to']}")


def weights(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """One step: write the weights, wait until they are followed, and let the gate decide."""
    capture(run, step.stage)
    _move_when_ready(run, step)
    settle(run)
    return Gate(run, step, judged_pods(run, step)).hold()


def judged_pods(run: Run, step: Step) -> PodWatch:
    """The pods that are on trial at a step: the restored ones in RETURN, the standby's in SHIFT."""
    restoring = step.args["trial"] == "stable" or step.action == "lower"
    return restored(run, step.stage, step.args["workloads"]) if restoring else watched(run, step.stage)


def forget(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Drop our field manager from the routes: with it, a server-side apply of Helm would end in a conflict."""
    forget_routes(run)
    return passed("no field of the routes is ours")


def forget_routes(run: Run) -> None:
    for route in routes_of(run):
        forget_us(run, route.resource, route.ref)


def forget_all(run: Run) -> None:
    """Drop our field manager wherever this run, or a process that was killed right after a write, may have left it."""
    forget_routes(run)
    forget_scalers(run)
    for each in staging_of_plan(run).staged:
        forget_us(run, WORKLOADS[each.workload.kind], each.workload)


def reassert(run: Run, step: Step, again: bool) -> Outcome:
    """Right after the native rollback: users stay on proven pods, whatever Helm wrote into the routes.

    Proxies follow with a delay: pods that are started before they did would be met cold.
    """
    changed = recapture(run)
    move(run, float(step.args["share"]))
    hold_again(run)
    if changed or again:
        settle(run)
    told = f"helm had written {', '.join(changed)}; " if changed else "helm left the routes alone; "
    return passed(told + "all users are on proven pods")


def restore(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Put the captured backends back, exactly, and leave no trace of ours."""
    move(run, step.args["share"])
    forget_routes(run)
    settle(run)
    return passed("the routes are as they shall be: " + ", ".join(str(route.ref) for route in routes_of(run)))


def go_safe(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Before COMMIT: the weights of before, or the isolation where the run isolated; isolation is kept."""
    share = safe_share(run.plan, run.progress)
    left = put_back(run, share)
    forget_routes(run)
    settle(run)
    for words in left:
        run.tell(step.stage, words, Level.WARNING)
    where = "where its last writer sent them" if left else f"at {safe_words(run.plan, share)}"
    return passed(f"users are {where}")


def keep_safe(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """After COMMIT: send everybody to the backend that has proved itself, and leave them there.

    The restored pods are that once RETURN is over, and users stay with them.
    """
    if not run.progress.passed("reassert"):
        recapture(run)  # later, what stands in the routes are weights of RETURN, not what Helm wrote
    wrote = move(run, safe_share(run.plan, run.progress))
    if wrote:
        run.tell(Stage.RETURN, "users go back to the backend that has proved itself", Level.WARNING)
    forget_all(run)  # whoever acts now does it with helm
    return passed("all users are on proven pods")


def _move_when_ready(run: Run, step: Step) -> None:
    """A pod that is just being replaced is no reason to stop the run."""
    deadline = run.world.clock.monotonic() + READY_WITHIN
    need = run.plan.settings["floors"]
    while True:
        try:
            move(run, float(step.args["share"]), need=need)
        except Stuck as stuck:
            if not stuck.passing or run.world.clock.monotonic() > deadline:
                raise
            run.safe_point(f"before the step {step.title!r}")
            run.world.clock.sleep(POLL)
        else:
            return


def warm_restored(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Requests of our own to the restored pods, before the first user meets them."""
    return warm(run, step, restored(run, step.stage, step.args["workloads"]))
