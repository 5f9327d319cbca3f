"""WATCH: the restored pods, judged by rollout, restarts, logs and time; green ticks alone are no evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from helm_safe.core.objects import Object, dig, label_selector_matches, labels_of, mapping, name_of, ref_of, sequence
from helm_safe.core.redact import redact
from helm_safe.model.errors import ClusterError, Forbidden, OutcomeUnknown
from helm_safe.model.events import Level
from helm_safe.model.health import Health, pods_since, restarts_of, rollout_of, trouble_of
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage, Step
from helm_safe.model.resources import PODS, WORKLOADS
from helm_safe.model.signatures import FATAL, scan
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run, in_parallel

POLL = 2.0
LOGS_EVERY = 10.0
LOG_PODS = 3  # per workload: pods of one template tell the same story
TROUBLE_GRACE = 20.0  # an image pull or a first crash may mend itself; two looks later it did not
FATAL_LINES = 3


@dataclass
class _Watch:
    """What was seen so far; times are the clock's monotonic seconds."""

    names: list[str]
    wanted: dict[str, int]
    since: datetime
    said: str = ""
    good_since: float | None = None
    trouble_since: dict[str, float] = field(default_factory=dict)
    logs_at: float = 0.0


def watch(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Wait until every workload is up and stays good for the bake; the first hopeless sign ends it."""
    replicas = run.plan.step("replicas")
    seen = _Watch(
        names=list(step.args["workloads"]),
        wanted=dict(replicas.args["wanted"]) if replicas else {},
        since=_committed_at(run),
    )
    bake = float(step.args["bake"])
    deadline = run.world.clock.monotonic() + float(run.plan.settings["timeout"])
    while run.world.clock.monotonic() < deadline:
        run.lock.check()
        run.stop_here("while watching the restored pods; the release is at the restored revision")
        if "abort" in run.lock.requests():
            return failed("aborted on request while the restored pods were watched")
        verdict = _look(run, seen, bake)
        if verdict.verdict is Verdict.FAIL:
            return failed(verdict.message)
        if verdict.verdict is Verdict.PASS:
            return passed(verdict.message)
        run.world.clock.sleep(POLL)
    raise OutcomeUnknown(
        f"the restored pods of {run.release} were not all up within {run.plan.settings['timeout']:.0f} s: {seen.said}",
        f"The release is at the restored revision. `helm safe-rollback resume {run.release.name}` watches on.",
    )


def _look(run: Run, seen: _Watch, bake: float) -> Health:
    workloads = _workloads(run, seen.names)
    pods = _pods(run)
    missing = [name for name in seen.names if name not in workloads]
    if missing:
        return Health(Verdict.FAIL, f"{', '.join(missing)} does not exist after the rollback")
    healths = [rollout_of(workloads[name], seen.wanted.get(name)) for name in seen.names]
    restored = {name: pods_since(_selected(workloads[name], pods), seen.since) for name in seen.names}
    trouble = _trouble(run, seen, [pod for group in restored.values() for pod in group])
    _say(run, seen, "; ".join(health.message for health in healths) or "no workloads to watch")
    bad = next((health for health in [*healths, *trouble] if health.verdict is Verdict.FAIL), None)
    bad = bad or _logs(run, seen, restored)
    if bad:
        return bad
    if any(health.verdict is not Verdict.PASS for health in healths):
        seen.good_since = None
        return Health(Verdict.INCONCLUSIVE, seen.said)
    return _baked(run, seen, bake)


def _baked(run: Run, seen: _Watch, bake: float) -> Health:
    now = run.world.clock.monotonic()
    if seen.good_since is None:
        seen.good_since = now
        run.tell(Stage.WATCH, f"all restored pods are up; watching them for {bake:.0f} s")
    if now - seen.good_since < bake:
        return Health(Verdict.INCONCLUSIVE, "baking")
    return Health(Verdict.PASS, f"{seen.said}; no restarts and no known errors for {bake:.0f} s")


def _trouble(run: Run, seen: _Watch, pods: list[Object]) -> list[Health]:
    """Pods that restart or wait for what will not come, once that has lasted."""
    now, found = run.world.clock.monotonic(), []
    for pod in pods:
        words = trouble_of(pod) or (
            f"Pod/{name_of(pod)} restarted {restarts_of(pod)} times" if restarts_of(pod) else ""
        )
        if not words:
            seen.trouble_since.pop(name_of(pod), None)
            continue
        since = seen.trouble_since.setdefault(name_of(pod), now)
        if now - since == 0:
            run.tell(Stage.WATCH, redact(words), Level.WARNING)
        if restarts_of(pod) >= 3 or (now - since >= TROUBLE_GRACE and trouble_of(pod)):
            found.append(Health(Verdict.FAIL, redact(words)))
    return found


def _logs(run: Run, seen: _Watch, restored: dict[str, list[Object]]) -> Health | None:
    """Known error lines of the restored pods, every few seconds, a few pods per workload."""
    now = run.world.clock.monotonic()
    if now - seen.logs_at < LOGS_EVERY:
        return None
    seen.logs_at = now
    rows = [
        (name_of(pod), str(status.get("name")))
        for pods in restored.values()
        for pod in pods[:LOG_PODS]
        for status in sequence(pod, "status", "containerStatuses")
        if dig(status, "state", "running") or dig(status, "lastState", "terminated")
    ]
    logs = in_parallel(lambda row: _log(run, *row), rows)
    for (pod, container), log in zip(rows, logs, strict=True):
        for match in scan(log):
            if match.signature.family in FATAL and match.times >= FATAL_LINES:
                said = f"Pod/{pod} ({container}) logged {match.signature.meaning} {match.times} times"
                return Health(Verdict.FAIL, f"{said}: {redact(match.line)}")
    return None


def _log(run: Run, pod: str, container: str) -> str:
    try:
        return run.world.cluster.logs(run.release.namespace, pod, container, lines=200)
    except Forbidden:
        raise
    except ClusterError:
        return ""  # the container is between two lives; the next look sees it


def _workloads(run: Run, names: list[str]) -> dict[str, Object]:
    kinds = sorted({name.partition("/")[0] for name in names})
    lists = in_parallel(lambda kind: run.world.cluster.list(WORKLOADS[kind], run.release.namespace).items, kinds)
    return {str(ref_of(obj)): obj for items in lists for obj in items}


def _pods(run: Run) -> list[Object]:
    return run.world.cluster.list(PODS, run.release.namespace).items


def _selected(workload: Object, pods: list[Object]) -> list[Object]:
    selector = mapping(workload, "spec", "selector")
    return [pod for pod in pods if selector and label_selector_matches(selector, labels_of(pod))]


def _committed_at(run: Run) -> datetime:
    """When the configuration was back: pods that started before it still carry the old one."""
    text = run.progress.done.get("rollback", {}).get("at", "")
    return datetime.fromisoformat(text) if text else run.world.cluster.now()


def _say(run: Run, seen: _Watch, words: str) -> None:
    if words != seen.said:
        seen.said = words
        run.tell(Stage.WATCH, words)
