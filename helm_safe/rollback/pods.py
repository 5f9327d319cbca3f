"""Watching pods: rollout, restarts and what they log; green ticks alone are no evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from helm_safe.core.annotations import ROLE_LABEL
from helm_safe.core.objects import Object, dig, label_selector_matches, labels_of, mapping, name_of, ref_of, sequence
from helm_safe.core.redact import redact
from helm_safe.model.errors import ClusterError, Forbidden
from helm_safe.model.events import Level
from helm_safe.model.health import Health, pods_since, restarts_of, rollout_of, trouble_of
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.resources import PODS, WORKLOADS
from helm_safe.model.signatures import FATAL, scan
from helm_safe.rollback.context import Run, in_parallel

LOGS_EVERY = 10.0
LOG_READS = 3  # at a time, in turn: of a large release the next ones are read ten seconds later
TROUBLE_GRACE = 20.0  # an image pull or a first crash may mend itself; two looks later it did not
FATAL_LINES = 3


@dataclass
class PodWatch:
    """Looks at workloads again and again; times are the clock's monotonic seconds.

    names: "Deployment/api". wanted: the least replicas of each. since: only pods created from then on count. said: the
    newest words about the rollout.
    """

    run: Run
    stage: Stage
    names: list[str]
    wanted: dict[str, int]
    since: datetime
    said: str = ""
    trouble_since: dict[str, float] = field(default_factory=dict)
    logs_at: float = 0.0
    logs_turn: int = 0

    def look(self) -> Health:
        """FAIL: hopeless. INCONCLUSIVE: not all up yet. PASS: all up, and nothing speaks against them."""
        workloads = self._workloads()
        missing = [name for name in self.names if name not in workloads]
        if missing:
            return Health(Verdict.FAIL, f"{', '.join(missing)} does not exist")
        pods = self.run.world.cluster.list(PODS, self.run.release.namespace).items
        healths = [rollout_of(workloads[name], self.wanted.get(name)) for name in self.names]
        watched = {name: pods_since(selected(workloads[name], pods), self.since) for name in self.names}
        trouble = self._trouble([pod for group in watched.values() for pod in group])
        self._say("; ".join(health.message for health in healths) or "no workloads to watch")
        bad = next((health for health in [*healths, *trouble] if health.verdict is Verdict.FAIL), None)
        bad = bad or self._logs(watched)
        if bad:
            return bad
        up = all(health.verdict is Verdict.PASS for health in healths)
        if up:
            return Health(Verdict.PASS, self.said)
        return Health(Verdict.INCONCLUSIVE, "; ".join([self.said, *(each.message for each in trouble[:1])]))

    def pods(self) -> list[Object]:
        """The pods that are watched now."""
        workloads = self._workloads()
        pods = self.run.world.cluster.list(PODS, self.run.release.namespace).items
        found = [pod for name in self.names for pod in selected(workloads.get(name, {}), pods)]
        return pods_since(found, self.since)

    def _workloads(self) -> dict[str, Object]:
        kinds = sorted({name.partition("/")[0] for name in self.names})
        cluster, namespace = self.run.world.cluster, self.run.release.namespace
        lists = in_parallel(lambda kind: cluster.list(WORKLOADS[kind], namespace).items, kinds)
        return {str(ref_of(obj)): obj for items in lists for obj in items}

    def _trouble(self, pods: list[Object]) -> list[Health]:
        """Pods that restart or wait for what will not come: FAIL once that has lasted."""
        now, found = self.run.world.clock.monotonic(), []
        for pod in pods:
            words = trouble_of(pod) or (
                f"Pod/{name_of(pod)} restarted {restarts_of(pod)} times" if restarts_of(pod) else ""
            )
            if not words:
                self.trouble_since.pop(name_of(pod), None)
                continue
            since = self.trouble_since.setdefault(name_of(pod), now)
            if now - since == 0:
                self.run.tell(self.stage, redact(words), Level.WARNING)
            lasts = restarts_of(pod) >= 3 or (now - since >= TROUBLE_GRACE and trouble_of(pod))
            found.append(Health(Verdict.FAIL if lasts else Verdict.INCONCLUSIVE, redact(words)))
        return found

    def _logs(self, watched: dict[str, list[Object]]) -> Health | None:
        """Known error lines, every few seconds, of a few pods in turn; those that restarted come first."""
        now = self.run.world.clock.monotonic()
        if now - self.logs_at < LOGS_EVERY:
            return None
        self.logs_at = now
        pods = sorted((pod for group in watched.values() for pod in group), key=restarts_of, reverse=True)
        every = [
            (name_of(pod), str(status.get("name")))
            for pod in pods
            for status in sequence(pod, "status", "containerStatuses")
            if dig(status, "state", "running") or dig(status, "lastState", "terminated")
        ]
        start = self.logs_turn % len(every) if every else 0
        rows = (every[start:] + every[:start])[:LOG_READS]
        self.logs_turn = start + LOG_READS
        logs = in_parallel(lambda row: self._log(*row), rows)
        for (pod, container), log in zip(rows, logs, strict=True):
            for match in scan(log):
                if match.signature.family in FATAL and match.times >= FATAL_LINES:
                    said = f"Pod/{pod} ({container}) logged {match.signature.meaning} {match.times} times"
                    return Health(Verdict.FAIL, f"{said}: {redact(match.line)}")
        return None

    def _log(self, pod: str, container: str) -> str:
        try:
            return self.run.world.cluster.logs(self.run.release.namespace, pod, container, lines=200)
        except Forbidden:
            raise
        except ClusterError:
            return ""  # the container is between two lives; the next look sees it

    def _say(self, words: str) -> None:
        if words != self.said:
            self.said = words
            self.run.tell(self.stage, words)


def selected(workload: Object, pods: list[Object]) -> list[Object]:
    """The pods of a workload. A standby's pods wear the live labels for a while, and are still the standby's."""
    selector = mapping(workload, "spec", "selector")
    ours = labels_of(workload).get(ROLE_LABEL)
    return [
        pod
        for pod in pods
        if selector and labels_of(pod).get(ROLE_LABEL) == ours and label_selector_matches(selector, labels_of(pod))
    ]
