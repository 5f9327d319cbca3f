"""Reading what an autopsy needs: one list per kind, few logs, within a budget; what cannot be had is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from helm_safe.core.masking import Masker
from helm_safe.core.objects import Gvk, Object, dig, labels_of, mapping, name_of, sequence
from helm_safe.core.printable import printable
from helm_safe.core.redact import hash_secret, redact
from helm_safe.core.references import references_of
from helm_safe.core.workloads import all_containers, pod_selector, pod_template, workload_of
from helm_safe.model.collected import Collected, Log, belonging, is_of_release
from helm_safe.model.errors import ClusterError
from helm_safe.model.health import restarts_of
from helm_safe.model.resources import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_NAME,
    STATEFUL_SETS,
)
from helm_safe.model.revisions import History, Revision
from helm_safe.model.snapshot import Resource, Served
from helm_safe.model.symptom import failing
from helm_safe.rollback.context import WORKERS, World
from helm_safe.rollback.discovery import route_kinds
from helm_safe.rollback.inspect import NO_RECORDS

BUDGET = 30.0
"""Seconds; evidence is worth a wait, but not an outage."""
MAX_PODS = 10
"""Pods whose logs are read."""
MAX_NODES = 10
LINES, BYTES = 400, 256 * 1024
_NODES = Resource(Gvk("", "v1", "Node"), "nodes", namespaced=False)
_SURE = (
    PODS,
    EVENTS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    REPLICA_SETS,
    ENDPOINT_SLICES,
    CONFIG_MAPS,
    SECRETS,
)
"""Every server has them: they are asked for even where it does not say what it serves."""
_ALWAYS = (
    *_SURE,
    Resource(Gvk("", "v1", "ServiceAccount"), "serviceaccounts", namespaced=True),
    Resource(Gvk("", "v1", "ResourceQuota"), "resourcequotas", namespaced=True),
    Resource(Gvk("", "v1", "PersistentVolumeClaim"), "persistentvolumeclaims", namespaced=True),
    Resource(Gvk("batch", "v1", "Job"), "jobs", namespaced=True),
    Resource(Gvk("autoscaling", "v2", "HorizontalPodAutoscaler"), "horizontalpodautoscalers", namespaced=True),
    Resource(Gvk("policy", "v1", "PodDisruptionBudget"), "poddisruptionbudgets", namespaced=True),
)
_SAID = frozenset({"Event", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Asked(NamedTuple):
    """Whose failure is looked into. previous: the revision that one would go back to."""

    history: History
    current: Revision
    previous: Revision | None


@dataclass(slots=True)
class Budget:
    """Time that is left, and what could not be had."""

    world: World
    end: float
    notes: list[str]

    @classmethod
    def of(cls, world: World, seconds: float = BUDGET) -> Budget:
        return cls(world, world.clock.monotonic() + seconds, [])

    @property
    def left(self) -> float:
        return max(0.0, self.end - self.world.clock.monotonic())

    def note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def each(self, call: Callable[[Item], Answer], items: Sequence[Item], what: Callable[[Item], str]) -> list[Answer]:
        """The answers that came in time, in the order of the items; why the others did not is noted.

        A call that hangs is left behind: its own timeout ends it.
        """
        if not items:
            return []
        pool = ThreadPoolExecutor(WORKERS)
        try:
            asked = [(item, pool.submit(self._within, call, item)) for item in items]
            wait([future for _, future in asked], timeout=self.left)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        found = []
        for item, future in asked:
            if not future.done() or future.cancelled():
                self.note(f"{what(item)}: out of time")
                continue
            error = future.exception()
            if isinstance(error, ClusterError | TimeoutError):
                self.note(f"{what(item)}: {error.message if isinstance(error, ClusterError) else 'out of time'}")
            elif error:
                raise error
            else:
                found.append(future.result())
        return found

    def _within(self, call: Callable[[Item], Answer], item: Item) -> Answer:
        if not self.left:
            raise TimeoutError
        return call(item)


def collect(world: World, asked: Asked, served: Served, budget: Budget) -> tuple[Collected, Masker]:
    """All that is known of a release that fails, and what masks its secrets. Raises nothing of the cluster's."""
    history, current, previous = asked
    namespace = history.release.namespace
    lists = budget.each(
        lambda resource: (resource.gvk.kind, _list(world, resource, namespace)),
        _wanted(served, (current, previous)),
        lambda resource: f"{resource.plural} were not read",
    )
    objects = dict(lists)
    masker = Masker(_used(objects.get("Secret", ()), (current, previous)), _spared(history, current, previous))
    objects = {kind: [_safe(each, masker) for each in found] for kind, found in objects.items()}
    collected = Collected(
        release=history.release,
        revisions=history.revisions,
        current=current,
        previous=previous,
        now=world.cluster.now(),
        objects=objects,
        listed=frozenset(objects),
    )
    collected = _narrowed(collected)
    pods = _representative(collected)
    nodes = _nodes(world, collected, budget, masker)
    logs = _logs(world, namespace, pods, budget, masker)
    return replace(
        collected,
        objects={**collected.objects, **({"Node": nodes} if nodes else {})},
        logs=tuple(logs),
        notes=tuple(budget.notes),
    ), masker


# --- lists ---


def _wanted(served: Served, revisions: Iterable[Revision | None]) -> list[Resource]:
    """The kinds that always matter, those of the release itself, and the routes, as far as they are served."""
    known = {(each.gvk.group, each.gvk.kind): each for each in _ALWAYS}
    own = {(ref.group, ref.kind) for each in revisions if each for ref in each.objects if ref.namespace}
    for group, kind in sorted(own | route_kinds()):
        resource = served.preferred(group, kind)
        if resource and resource.namespaced:
            known.setdefault((group, kind), resource)
    return [each for each in known.values() if served.preferred(each.gvk.group, each.gvk.kind) or each in _SURE]


def _list(world: World, resource: Resource, namespace: str) -> list[Object]:
    fields = NO_RECORDS if resource == SECRETS else ""
    return world.cluster.list(resource, namespace, fields=fields).items


def _used(secrets: Iterable[Object], revisions: Iterable[Revision | None]) -> list[Object]:
    """The Secrets whose values the release's pods may log, and those that its manifests hold."""
    names, stated = set(), []
    for revision in revisions:
        for ref, obj in revision.objects.items() if revision else ():
            if ref.kind == "Secret" and not ref.group:
                names.add(ref.name)
                stated.append(obj)
            if workload_of(obj):
                names |= {each.name for each in references_of(pod_template(obj)) if each.kind == "Secret"}
    return [*(each for each in secrets if name_of(each) in names), *stated]


def _spared(history: History, *revisions: Revision | None) -> set[str]:
    """Names that a report must be able to say, though a Secret may hold them too."""
    found = {history.release.name, history.release.namespace}
    for revision in revisions:
        for ref, obj in revision.objects.items() if revision else ():
            found |= {ref.kind, ref.name, ref.namespace}
            for container in all_containers(pod_template(obj)):
                found |= {str(container.get("name")), str(container.get("image"))}
    return found


def _safe(obj: Object, masker: Masker) -> Object:
    """Secrets as hashes, ConfigMaps as their keys; what others say is masked."""
    if obj.get("kind") == "Secret":
        return hash_secret(obj)
    if obj.get("kind") in _SAID:
        return masker.object(obj, "status", "message", "note")
    return obj


# --- what matters of it ---


def _narrowed(collected: Collected) -> Collected:
    """Only the release's own pods, and what belongs to them."""
    selectors = {
        str(ref): pod_selector(obj) for side in collected.sides for ref, obj in side.objects.items() if _runs(obj)
    }
    hooks = {hook.name for hook in collected.current.hooks if hook.kind in ("Job", "Pod")}
    pods = [pod for pod in collected.of_kind("Pod") if is_of_release(pod, selectors, hooks)]
    owners = {dig(owner, "uid") for pod in pods for owner in sequence(pod, "metadata", "ownerReferences")}
    sets = [
        each
        for each in collected.of_kind("ReplicaSet")
        if dig(each, "metadata", "uid") in owners or any(selects(labels_of(each)) for selects in selectors.values())
    ]
    services = {ref.name for side in collected.sides for ref in side.objects if ref.kind == "Service"}
    slices = [each for each in collected.of_kind("EndpointSlice") if labels_of(each).get(SERVICE_NAME) in services]
    narrowed = {**collected.objects, "Pod": pods, "ReplicaSet": sets, "EndpointSlice": slices}
    return replace(collected, objects={kind: found for kind, found in narrowed.items() if kind in collected.listed})


def _runs(obj: Object) -> bool:
    row = workload_of(obj)
    return bool(row and (row.selector or row.kind == "Pod"))


def _representative(collected: Collected) -> list[Object]:
    """Failing pods first, one for each way in which they fail; then one that serves for each revision."""
    pods = sorted(collected.of_kind("Pod"), key=lambda pod: _order(pod, collected))
    chosen: dict[object, Object] = {}
    for pod in pods:
        chosen.setdefault(_way(pod, collected), pod)
    return list(chosen.values())[:MAX_PODS]


def _order(pod: Object, collected: Collected) -> tuple[bool, bool, int, str]:
    mine = belonging(pod, collected).revision in (0, collected.current.number)
    return (not failing(pod), not mine, -restarts_of(pod), name_of(pod))


def _way(pod: Object, collected: Collected) -> tuple[object, ...]:
    """How a pod fails: its containers with reason and exit code."""
    origin = belonging(pod, collected)
    states = []
    for status in _statuses(pod) if failing(pod) else ():
        ended = mapping(status, "lastState", "terminated") or mapping(status, "state", "terminated")
        reason = dig(status, "state", "waiting", "reason")
        states.append((dig(status, "name"), reason, ended.get("reason"), ended.get("exitCode")))
    return (origin.workload, origin.revision, failing(pod), *states)


def _statuses(pod: Object) -> list[Object]:
    found = [*sequence(pod, "status", "initContainerStatuses"), *sequence(pod, "status", "containerStatuses")]
    return [each for each in found if isinstance(each, dict)]


def _nodes(world: World, collected: Collected, budget: Budget, masker: Masker) -> list[Object]:
    """The nodes of failing pods, and those of the others where a pod finds none: a scheduler names no taint."""
    pods = collected.of_kind("Pod")
    placed = {name_of(pod): str(dig(pod, "spec", "nodeName") or "") for pod in pods}
    bad = [pod for pod in pods if failing(pod)]
    concerned = [*bad, *(pods if any(not placed[name_of(pod)] for pod in bad) else ())]
    names = dict.fromkeys(placed[name_of(pod)] for pod in concerned)
    asked = [name for name in names if name][:MAX_NODES]
    found = budget.each(
        lambda name: world.cluster.get(_NODES, "", name), asked, lambda name: f"Node/{name} was not read"
    )
    return [masker.object(each, "status") for each in found if each]


# --- logs ---


def _logs(world: World, namespace: str, pods: Sequence[Object], budget: Budget, masker: Masker) -> list[Log]:
    wanted = [
        (name_of(pod), str(status.get("name")), previous)
        for pod in pods
        for status in _statuses(pod)
        for previous in ((False, True) if int(status.get("restartCount") or 0) else (False,))
    ]

    def fetch(row: tuple[str, str, bool]) -> Log:
        pod, container, previous = row
        text = world.cluster.logs(namespace, pod, container, previous=previous, lines=LINES, limit=BYTES)
        return Log(pod, container, previous, redact(masker.text(printable(text, multiline=True))))

    found = budget.each(fetch, wanted, lambda row: f"the log of container {row[1]} of Pod/{row[0]} was not read")
    for log in found:
        if not log.text and log.previous:
            budget.note(f"container {log.container} of Pod/{log.pod} was restarted, and its earlier log is gone")
    return [log for log in found if log.text]
