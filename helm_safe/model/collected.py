"""What an autopsy has read: live objects, logs, and what could not be had. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from helm_safe.core.differences import differences
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, labels_of, mapping, name_of, sequence
from helm_safe.core.references import Reference, references_of
from helm_safe.core.workloads import all_containers, pod_selector, pod_template, workload_of
from helm_safe.model.revisions import Hook, Release, Revision, ran_with, run_of
from helm_safe.model.times import parse_time

SKEW = timedelta(seconds=120)
JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")


class Log(NamedTuple):
    """The newest lines of a container. previous: of the run before the present one."""

    pod: str
    container: str
    previous: bool
    text: str


class Belonging(NamedTuple):
    """Where a pod comes from. workload: "Deployment/api". revision: of the release, 0 where none fits.

    old: its code is older than a revision that came before the present state: that of an earlier revision, or of one
    that a rollback brought back. hook: it was made by a hook.
    """

    workload: str = ""
    revision: int = 0
    old: bool = False
    hook: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """previous: the revision one would go back to. objects: live ones by kind. notes: what could not be had, and why.

    listed: kinds that were read whole in the namespace. now: the API server's clock.
    """

    release: Release
    revisions: tuple[Revision, ...]
    current: Revision
    previous: Revision | None
    now: datetime
    objects: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    logs: tuple[Log, ...] = ()
    listed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> Sequence[Object]:
        return self.objects.get(kind, ())

    @property
    def restored(self) -> bool:
        """Whether the current revision is older code that a rollback brought back."""
        return self.current.rollback_of is not None

    def names(self) -> set[tuple[str, str]]:
        """(kind, name) of everything of the release, for events: its objects, what they made, and its hooks."""
        found = {(ref.kind, ref.name) for each in self.sides for ref in each.objects}
        found |= {(hook.kind, hook.name) for hook in self.current.hooks}
        for kind in ("Pod", "ReplicaSet", "Job", "PersistentVolumeClaim"):
            found |= {(kind, name_of(obj)) for obj in self.of_kind(kind)}
        return found

    @property
    def sides(self) -> tuple[Revision, ...]:
        return (self.current,) if self.previous is None else (self.current, self.previous)


def workloads_of(collected: Collected) -> dict[ObjectRef, Object]:
    """What owns pods, in the current revision and in the one before it; the current manifest counts."""
    found: dict[ObjectRef, Object] = {}
    for side in collected.sides:
        for ref, obj in side.objects.items():
            if workload_of(obj):
                found.setdefault(ref, obj)
    return found


def hook_jobs(revision: Revision) -> set[str]:
    return {hook.name for hook in revision.hooks if hook.kind == "Job"}


def is_of_release(pod: Object, selectors: Mapping[str, object], hooks: set[str]) -> bool:
    """Whether a workload of the release or one of its hooks made the pod. hooks: names of Jobs and Pods."""
    job = next((labels_of(pod).get(label) for label in JOB_LABELS if labels_of(pod).get(label)), None)
    if job in hooks or name_of(pod) in hooks:
        return True
    labels = labels_of(pod)
    return any(callable(selects) and selects(labels) for selects in selectors.values())


def belonging(pod: Object, collected: Collected) -> Belonging:
    """Which workload and which revision a pod comes from: its ReplicaSet's template, or its own, tells."""
    job = next((str(labels_of(pod)[label]) for label in JOB_LABELS if labels_of(pod).get(label)), "")
    hooks = hook_jobs(collected.current)
    if job in hooks or name_of(pod) in {hook.name for hook in collected.current.hooks if hook.kind == "Pod"}:
        return Belonging(f"Job/{job}" if job else f"Pod/{name_of(pod)}", collected.current.number, hook=True)
    for ref, obj in workloads_of(collected).items():
        if pod_selector(obj)(labels_of(pod)):
            revision = _revision_of(pod, ref, collected)
            other = bool(revision) and revision != collected.current.number
            return Belonging(str(ref), revision, old=other or (bool(revision) and collected.restored))
    return Belonging(f"Job/{job}" if job else "")


def _revision_of(pod: Object, ref: ObjectRef, collected: Collected) -> int:
    """The revision whose template the pod fits best; the current one where it fits as well as another."""
    shown = _template_behind(pod, collected)
    best, least = 0, None
    newest_first = sorted(collected.revisions, key=lambda each: (each is not collected.current, -each.number))
    for revision in newest_first:
        template = pod_template(revision.objects.get(ref, {}))
        if not template or _images(template) - _images(shown):
            continue
        apart = len(list(differences(_comparable(template), _comparable(shown))))
        if least is None or apart < least:
            best, least = revision.number, apart
    return best


def _template_behind(pod: Object, collected: Collected) -> Object:
    """The template of the pod's ReplicaSet, as the Deployment wrote it; the pod itself where there is none."""
    owner = next((dig(each, "name") for each in sequence(pod, "metadata", "ownerReferences")), None)
    sets = (each for each in collected.of_kind("ReplicaSet") if name_of(each) == owner)
    made = next(sets, None)
    return mapping(made, "spec", "template") if made else pod


def _comparable(template: Object) -> Object:
    return {"metadata": {"annotations": annotations_of(template)}, "spec": mapping(template, "spec")}


def _images(template: Object) -> set[tuple[str, str]]:
    return {(str(dig(each, "name")), str(dig(each, "image"))) for each in all_containers(template)}


def missing_references(collected: Collected) -> Iterator[tuple[str, Reference]]:
    """(workload, reference) of ConfigMaps, Secrets, keys, claims and accounts that the current pods need and lack."""
    for ref, obj in collected.current.objects.items():
        if not workload_of(obj):
            continue
        for each in references_of(pod_template(obj)):
            if not each.optional and _is_missing(each, collected):
                yield str(ref), each


def _is_missing(reference: Reference, collected: Collected) -> bool:
    if reference.kind not in collected.listed:
        return False
    found = next((obj for obj in collected.of_kind(reference.kind) if name_of(obj) == reference.name), None)
    if found is None:
        return True
    keys = {**mapping(found, "data"), **mapping(found, "binaryData")}
    return bool(reference.key) and reference.kind in ("ConfigMap", "Secret") and reference.key not in keys


class HookRun(NamedTuple):
    """What the record of a revision proves of one of its hooks."""

    revision: Revision
    hook: Hook

    @property
    def failed(self) -> bool:
        return self.hook.phase == "Failed" and ran_with(self.revision, self.hook)

    @property
    def words(self) -> str:
        name = f"{self.hook.kind}/{self.hook.name} ({', '.join(self.hook.events)})"
        return f"hook {name}: {run_of(self.revision, self.hook)}"


def hook_runs(revision: Revision) -> list[HookRun]:
    """What the record says of each hook of installs, upgrades and rollbacks."""
    wanted = {f"{when}-{what}" for when in ("pre", "post") for what in ("install", "upgrade", "rollback")}
    return [HookRun(revision, hook) for hook in revision.hooks if wanted & set(hook.events)]


def skewed(collected: Collected) -> list[str]:
    """Clocks that differ from the API server's: a node's times lie in the future, or before a pod was made."""
    found: dict[str, str] = {}
    for pod in collected.of_kind("Pod"):
        made = parse_time(str(dig(pod, "metadata", "creationTimestamp") or ""))
        node = str(dig(pod, "spec", "nodeName") or "of unknown name")
        for at in _times(pod):
            if at - collected.now > SKEW:
                found[node] = f"the clock of node {node} is ahead of the API server's"
            elif made and made - at > SKEW:
                found[node] = f"the clock of node {node} is behind the API server's"
    return list(found.values())


def _times(pod: Object) -> Iterator[datetime]:
    statuses = [*sequence(pod, "status", "containerStatuses"), *sequence(pod, "status", "initContainerStatuses")]
    for status in statuses:
        for path in (("state", "running"), ("state", "terminated"), ("lastState", "terminated")):
            for stamp in ("startedAt", "finishedAt"):
                at = parse_time(str(dig(status, *path, stamp) or ""))
                if at:
                    yield at
