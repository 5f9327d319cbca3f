"""WATCH: the restored pods, judged by rollout, restarts, logs, time and requests of our own."""

from __future__ import annotations

from datetime import datetime

from helm_safe.model.errors import OutcomeUnknown
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage, Step
from helm_safe.rollback.commit import BEGUN, Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.standby import staging_of_plan

POLL = 2.0  # a look costs no call: what is looked at comes by watches


def watch(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Wait until every workload is up and stays good for the bake; the first hopeless sign ends it."""
    pods = restored(run, Stage.WATCH, step.args["workloads"])
    bake, good_since = float(step.args["bake"]), None
    deadline = run.world.clock.monotonic() + float(run.plan.settings["timeout"])
    while run.world.clock.monotonic() < deadline:
        run.safe_point("while watching the restored pods; the release is at the restored revision")
        health = pods.look()
        if health.verdict is Verdict.FAIL:
            return failed(health.message)
        good_since = _good_since(run, good_since, bake) if health.verdict is Verdict.PASS else None
        over = good_since is not None and run.world.clock.monotonic() - good_since >= bake
        if over and pods.anew().verdict is Verdict.PASS:
            return passed(f"{pods.said}; no restarts and no known errors for {bake:.0f} s")
        run.world.clock.sleep(POLL)
    raise OutcomeUnknown(
        f"the restored pods of {run.release} were not all up within {run.plan.settings['timeout']:.0f} s: {pods.said}",
        watches_on(run),
    )


def watches_on(run: Run) -> str:
    """The next step where time was over before anything was decided."""
    return f"The release is at the restored revision. `helm safe-rollback resume {run.release.name}` watches on."


def restored(run: Run, stage: Stage, names: list[str]) -> PodWatch:
    """A watch over the release's own workloads after the native rollback: older pods do not count."""
    replicas = run.plan.step("replicas")
    wanted = dict(replicas.args["wanted"]) if replicas else {}
    return PodWatch(run, stage, list(names), wanted, _committed_at(run), beside=_proven(run))


def _proven(run: Run) -> list[str]:
    """Workloads of the same version that serve meanwhile."""
    staged = staging_of_plan(run).staged if run.plan.strategy in ("standby", "replicas") else ()
    return [f"Deployment/{each.standby}" for each in staged]


def _good_since(run: Run, good_since: float | None, bake: float) -> float:
    if good_since is not None:
        return good_since
    run.tell(Stage.WATCH, f"all restored pods are up; watching them for {bake:.0f} s")
    return run.world.clock.monotonic()


def _committed_at(run: Run) -> datetime:
    """When the native rollback began: pods that started before it carry the old configuration. One of the old template
    that starts in that moment is gone before a rollout counts as done.
    """
    text = run.captured(BEGUN).get("at") or run.progress.done.get("rollback", {}).get("at", "")
    return datetime.fromisoformat(text) if text else run.world.cluster.now()
