"""StatefulSets whose rollout is held by `rollingUpdate.partition` and let go pod by pod. Pure.

The controller gives the newest template to pods whose number is the partition or above. With the partition at the
number of replicas a native rollback changes no pod; each step lowers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, ObjectRef, dig, mapping
from helm_safe.model.changes import Change
from helm_safe.model.staging import serving, touched

PARTITION = ("spec", "updateStrategy", "rollingUpdate", "partition")
ROLLING = "RollingUpdate"


class Held(NamedTuple):
    """A StatefulSet that can be held. pods: as many as serve after the rollback. top: above the numbers of all pods."""

    workload: ObjectRef
    pods: int
    top: int


class Sorted(NamedTuple):
    """held: those that can be. free: the changed ones that cannot, each with the reason."""

    held: tuple[Held, ...]
    free: tuple[tuple[ObjectRef, str], ...]


def holdable(change: Change, live: Mapping[ObjectRef, Object]) -> Sorted:
    """The changed StatefulSets of the target, sorted out."""
    held, free = [], []
    for ref in _changed(change, live):
        why = why_free(ref, change, live)
        now, declared = dig(live.get(ref), "spec", "replicas"), dig(change.target.objects[ref], "spec", "replicas")
        counts = [int(each) for each in (declared, now) if each is not None]
        if why:
            free.append((ref, why))
        else:
            held.append(Held(ref, counts[0] if counts else 1, max(counts, default=1)))
    return Sorted(tuple(held), tuple(free))


def why_free(ref: ObjectRef, change: Change, live: Mapping[ObjectRef, Object]) -> str:
    """Why a StatefulSet cannot be held, "" when it can."""
    now = live.get(ref)
    if now is None:
        return "it does not run now"
    manifests = [each.objects.get(ref, {}) for each in (change.current, change.target)]
    kinds = {str(dig(each, "spec", "updateStrategy", "type") or ROLLING) for each in (now, *manifests)}
    if kinds != {ROLLING}:
        return f"its pods are replaced by hand ({', '.join(sorted(kinds - {ROLLING}))})"
    if any(dig(each, *PARTITION) is not None for each in manifests):
        return "its chart sets rollingUpdate.partition, so helm writes it in the middle of the rollback"
    if dig(now, *PARTITION):
        return f"somebody holds it at partition {dig(now, *PARTITION)} already"
    if dig(now, "spec", "replicas") == 0:
        return "it is scaled to 0"
    unready = _unready(now)
    ordered = dig(now, "spec", "podManagementPolicy") != "Parallel"
    return (
        f"{unready} of its pods are not ready, and its controller waits for them before it replaces any"
        if unready and ordered
        else ""
    )


def partitions(steps: Iterable[float], held: Iterable[Held]) -> list[tuple[tuple[float, ...], dict[str, int]]]:
    """(percentages of `--steps` that it stands for, partition of each StatefulSet), step by step; the last ones are 0.

    As many pods as the share asks for, rounded up: at least one.
    """
    found: list[tuple[tuple[float, ...], dict[str, int]]] = []
    for step in steps:
        at = {str(each.workload): each.pods - ceil(round(each.pods * step / 100, 6)) for each in held}
        if found and found[-1][1] == at:
            found[-1] = ((*found[-1][0], step), at)
        else:
            found.append(((step,), at))
    return found


def restored(at: Mapping[str, int], held: Iterable[Held]) -> float:
    """Percent of the pods that have the restored template there."""
    pods = {str(each.workload): each.pods for each in held}
    return 100 * sum(pods[name] - min(at[name], pods[name]) for name in at) / max(sum(pods.values()), 1)


def patch(partition: int) -> Object:
    """The merge patch that sets it."""
    return {"spec": {"updateStrategy": {"rollingUpdate": {"partition": partition}}}}


def captured(live: Object) -> dict[str, Any]:
    """The updateStrategy as it was; absent parts are absent."""
    return {"strategy": dict(mapping(live, "spec", "updateStrategy"))}


def put_back(before: Mapping[str, Any], live: Object) -> Object | None:
    """The merge patch that makes the field as it was, None where it is. An absent one is taken away again."""
    was = before["strategy"]
    if not was:
        return {"spec": {"updateStrategy": None}} if mapping(live, "spec", "updateStrategy") else None
    value = dig(was, "rollingUpdate", "partition")
    if dig(live, *PARTITION) == value:
        return None
    if dig(was, "rollingUpdate") is None and set(mapping(live, "spec", "updateStrategy", "rollingUpdate")) == {
        "partition"
    }:
        return {"spec": {"updateStrategy": {"rollingUpdate": None}}}
    return {"spec": {"updateStrategy": {"rollingUpdate": {"partition": value}}}}


def _changed(change: Change, live: Mapping[ObjectRef, Object]) -> Iterator[ObjectRef]:
    for ref in serving(change.target.objects):
        if ref.kind == "StatefulSet" and (ref not in live or touched(change, ref)):
            yield ref


def _unready(now: Object) -> int:
    wanted = dig(now, "spec", "replicas")
    return max(0, (1 if wanted is None else int(wanted)) - int(dig(now, "status", "readyReplicas") or 0))
