"""AUTOPSY: evidence saved before the first write that destroys it; it shortens with time, it never fails a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from helm_safe.core.objects import Object, dig, label_selector_matches, labels_of, mapping, name_of, sequence
from helm_safe.core.redact import redact, redact_object
from helm_safe.files import private_dir, safe_name, write_private
from helm_safe.model.errors import ClusterError
from helm_safe.model.events import Level
from helm_safe.model.health import restarts_of, trouble_of
from helm_safe.model.plan import Stage, Step
from helm_safe.model.resources import DAEMON_SETS, DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, STATEFUL_SETS
from helm_safe.model.signatures import scan
from helm_safe.model.snapshot import Resource
from helm_safe.rollback.commit import Outcome, passed
from helm_safe.rollback.context import Run, in_parallel

BUDGET = 30.0  # seconds; evidence is worth a wait, but not an outage
MAX_PODS = 10
MAX_BYTES = 20 * 1024 * 1024


def autopsy(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reading twice is harmless
    """Save logs (also of previous containers), events and states of the current revision's pods."""
    folder = run.world.evidence / safe_name(run.release.namespace) / safe_name(run.release.name) / run.journal.run_id
    deadline = run.world.clock.monotonic() + BUDGET
    pods = _pods_of_release(run)
    saved = _Folder(folder)
    saved.write_all("workloads.json", _states(run, (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS)))
    saved.write_all("pods.json", map(redact_object, pods))
    saved.write_all("events.json", _states(run, (EVENTS,)))
    suspicions = []
    for pod in _worst_first(pods)[:MAX_PODS]:
        if run.world.clock.monotonic() > deadline:
            run.tell(Stage.AUTOPSY, f"out of time after {BUDGET:.0f} s: some logs were not saved", Level.WARNING)
            break
        suspicions += _save_logs(run, saved, pod)
    for sentence in sorted(set(suspicions))[:5]:
        run.tell(Stage.AUTOPSY, sentence, Level.WARNING)
    return passed(
        f"evidence of {len(pods)} pods saved in {folder}", folder=str(folder), suspicions=sorted(set(suspicions))
    )


class _Folder:
    """Private files below one folder, bounded in sum."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_dir(folder)
        self._left = MAX_BYTES

    def write_all(self, name: str, objects: Iterable[Object]) -> None:
        """A JSON list, whole objects as long as there is room: thousands of events need not be in memory at once."""
        texts, size = [], 0
        for obj in objects:
            text = json.dumps(obj, indent=1, ensure_ascii=False)
            size += len(text) + 2
            if size > self._left:
                break
            texts.append(text)
        self.write(name, "[" + ",\n".join(texts) + "]")

    def write(self, name: str, text: str) -> None:
        if len(text) > self._left:
            text = text[: max(self._left, 0)]
        if text:
            self._left -= len(text)
            write_private(self._folder / safe_name(name), text)


def _states(run: Run, resources: Iterable[Resource]) -> Iterator[Object]:
    """Objects of the namespace, redacted; kinds that may not be listed are told, not fatal."""
    for resource in resources:
        try:
            found = run.world.cluster.list(resource, run.release.namespace).items
        except ClusterError as error:
            run.tell(Stage.AUTOPSY, f"no {resource.plural}: {error.message}", Level.WARNING)
            continue
        found.reverse()
        while found:
            yield redact_object(found.pop())


def _pods_of_release(run: Run) -> list[Object]:
    """Pods that the workloads of either revision select."""
    history = run.world.releases.history(run.release)
    selectors = [
        mapping(obj, "spec", "selector")
        for number in (run.plan.current, run.plan.target)
        for obj in (history.get(number) or history.last).objects.values()
        if mapping(obj, "spec", "selector").get("matchLabels")
    ]
    try:
        pods = run.world.cluster.list(PODS, run.release.namespace).items
    except ClusterError as error:
        run.tell(Stage.AUTOPSY, f"no pods: {error.message}", Level.WARNING)
        return []
    return [pod for pod in pods if any(label_selector_matches(each, labels_of(pod)) for each in selectors)]


def _worst_first(pods: list[Object]) -> list[Object]:
    return sorted(pods, key=lambda pod: (not trouble_of(pod), -restarts_of(pod), name_of(pod)))


def _save_logs(run: Run, saved: _Folder, pod: Object) -> list[str]:
    """The logs of every container of a pod; returns what they say that is known."""
    statuses = [*sequence(pod, "status", "initContainerStatuses"), *sequence(pod, "status", "containerStatuses")]
    wanted = [(str(status.get("name")), False) for status in statuses]
    wanted += [(str(status.get("name")), True) for status in statuses if dig(status, "lastState", "terminated")]

    def fetch(row: tuple[str, bool]) -> tuple[str, bool, str]:
        container, previous = row
        try:
            return (
                container,
                previous,
                run.world.cluster.logs(run.release.namespace, name_of(pod), container, previous=previous),
            )
        except ClusterError:
            return container, previous, ""  # a container that never started has no log

    suspicions = []
    for container, previous, log in in_parallel(fetch, wanted):
        if log:
            saved.write(f"{name_of(pod)}.{container}{'.previous' if previous else ''}.log", redact(log))
        suspicions += [f"{match.signature.meaning} ({match.signature.id}): {redact(match.line)}" for match in scan(log)]
    return suspicions
