"""Autoscalers are held during a staged rollback and put back exactly as they were. Pure.

An idle workload is shrunk while the standby has its traffic, and would meet the users again at its least size. So its
captured replica count is the floor until the traffic is back. Patches are merge patches (RFC 7396, null deletes).

A native rollback may write an autoscaler of the chart anew: `held` then says no, and what must be put back in the end
is what the target revision's manifest says, which `captured` reads as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from helm_safe.core.objects import (
    Object,
    ObjectRef,
    dig,
    gvk_of,
    name_of,
    namespace_of,
    ref_of,
    sequence,
)

Path = tuple[str, ...]
Values = Mapping[Path, Any]
Captured = Sequence[Mapping[str, Any]]

MIN_REPLICAS: Path = ("spec", "minReplicas")
MAX_REPLICAS: Path = ("spec", "maxReplicas")
PAUSED: Path = ("metadata", "annotations", "autoscaling.keda.sh/paused")
PAUSED_REPLICAS: Path = ("metadata", "annotations", "autoscaling.keda.sh/paused-replicas")
UPDATE_MODE: Path = ("spec", "updatePolicy", "updateMode")
SUSPEND: Path = ("spec", "suspend")
AUTOMATED: Path = ("spec", "syncPolicy", "automated")
# What Go's ParseBool takes for false; KEDA takes everything that is no boolean for true.
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class Holder(NamedTuple):
    """One row: a kind that changes workloads by itself.

    target: where its reference to the workload stands; default: group and kind of a reference that names none. fields:
    what the hold reads and writes. hold: the values that hold it at a floor, given the fields' own (None: absent).
    """

    group: str
    kind: str
    target: Path
    fields: tuple[Path, ...]
    hold: Callable[[Values, int], dict[Path, Any]]
    default: tuple[str, str] = ("", "")


def _raise_floor(values: Values, floor: int) -> dict[Path, Any]:
    """The least count rises to the floor, and the greatest where it would be below; an absent minReplicas is 1."""
    least, most = values[MIN_REPLICAS], values[MAX_REPLICAS]
    if (least if isinstance(least, int) else 1) >= floor:
        return {}
    too_low = isinstance(most, int) and most < floor
    return {MIN_REPLICAS: floor} | ({MAX_REPLICAS: floor} if too_low else {})


def _pause(values: Values, floor: int) -> dict[Path, Any]:  # noqa: ARG001 - a paused workload keeps the count it has
    """KEDA deletes its autoscaler and keeps the replicas; a pause of somebody else stays his."""
    paused = values[PAUSED] is not None and values[PAUSED] not in _FALSE
    return {} if paused or values[PAUSED_REPLICAS] is not None else {PAUSED: "true"}


def _switch_off(values: Values, floor: int) -> dict[Path, Any]:  # noqa: ARG001 - it evicts pods, whatever their number
    return {} if values[UPDATE_MODE] == "Off" else {UPDATE_MODE: "Off"}


def _suspend(values: Values, floor: int) -> dict[Path, Any]:  # noqa: ARG001 - it counts nothing
    return {} if values[SUSPEND] is True else {SUSPEND: True}


def _sync_by_hand(values: Values, floor: int) -> dict[Path, Any]:  # noqa: ARG001 - it counts nothing
    return {} if values[AUTOMATED] is None else {AUTOMATED: None}


HOLDERS: tuple[Holder, ...] = (
    Holder(
        "autoscaling",
        "HorizontalPodAutoscaler",
        ("spec", "scaleTargetRef"),
        (MIN_REPLICAS, MAX_REPLICAS),
        _raise_floor,
    ),
    Holder(
        "keda.sh",
        "ScaledObject",
        ("spec", "scaleTargetRef"),
        (PAUSED, PAUSED_REPLICAS),
        _pause,
        default=("apps", "Deployment"),
    ),
    Holder("autoscaling.k8s.io", "VerticalPodAutoscaler", ("spec", "targetRef"), (UPDATE_MODE,), _switch_off),
)
GITOPS: tuple[Holder, ...] = (
    Holder("helm.toolkit.fluxcd.io", "HelmRelease", (), (SUSPEND,), _suspend),
    Holder("kustomize.toolkit.fluxcd.io", "Kustomization", (), (SUSPEND,), _suspend),
    Holder("argoproj.io", "Application", (), (AUTOMATED,), _sync_by_hand),
)
"""Controllers that keep objects equal to a repository; none names a workload."""
_BY_NAME = {(row.group, row.kind): row for row in (*HOLDERS, *GITOPS)}


def holders(live: Iterable[Object], workload: ObjectRef) -> list[Object]:
    """The autoscalers of a workload, in order. KEDA's own autoscaler stands back for the ScaledObject that made it."""
    found = sorted((obj for obj in live if _scales(obj, workload)), key=ref_of)
    makers = {name_of(obj) for obj in found if gvk_of(obj).kind == "ScaledObject"}
    return [obj for obj in found if not makers.intersection(_scaled_objects(obj))]


def hold(obj: Object, floor: int) -> Object | None:
    """The patch that keeps the workload at `floor` replicas or more, None where nothing is to change."""
    row = _row(obj)
    return _patch(row.hold(_live(row, obj), floor)) if row else None


def held(obj: Object, floor: int) -> bool:
    """Whether it is held, by us or by somebody else."""
    return hold(obj, floor) is None


def captured(obj: Object) -> list[dict[str, Any]]:
    """The fields that a hold concerns, as JSON: `path` with `value`, or with `absent`, the part that was not there."""
    row = _row(obj)
    return [_field(obj, path) for path in row.fields] if row else []


def restore(before: Captured, obj: Object, floor: int) -> Object | None:
    """The patch that puts the captured fields back, None where they are. What no longer has our value stays."""
    changes: dict[Path, Any] = {}
    for field, ours in _touched(before, obj, floor):
        path = _path(field["path"])
        if dig(obj, *path) == ours:
            changes.update({path: field["value"]} if "value" in field else {_grown(field, obj): None})
    return _patch(changes)


def foreign(before: Captured, obj: Object, floor: int) -> str:
    """What somebody else changed while we held it, and `restore` leaves alone; "" where nobody did."""
    said = []
    for field, ours in _touched(before, obj, floor):
        now, was = dig(obj, *field["path"]), field.get("value")
        if now not in (ours, was):
            name = ".".join(field["path"])
            said.append(f"{name} is {_word(now)}, neither the {_word(ours)} of this run nor {_word(was)} as before")
    return f"{ref_of(obj)}: {'; '.join(said)}. Somebody else changed it, so it stays." if said else ""


def _row(obj: Object) -> Holder | None:
    gvk = gvk_of(obj)
    return _BY_NAME.get((gvk.group, gvk.kind))


def _scales(obj: Object, workload: ObjectRef) -> bool:
    row = _row(obj)
    if row is None or not row.target or namespace_of(obj) != workload.namespace:
        return False
    target = dig(obj, *row.target)
    group, kind = row.default
    if dig(target, "apiVersion"):
        group = gvk_of(target).group
    return (group, str(dig(target, "kind") or kind), dig(target, "name")) == (
        workload.group,
        workload.kind,
        workload.name,
    )


def _scaled_objects(obj: Object) -> Iterator[str]:
    """Names of the ScaledObjects that own it."""
    for owner in sequence(obj, "metadata", "ownerReferences"):
        if dig(owner, "kind") == "ScaledObject" and str(dig(owner, "apiVersion")).startswith("keda.sh/"):
            yield str(dig(owner, "name"))


def _live(row: Holder, obj: Object) -> Values:
    return {path: dig(obj, *path) for path in row.fields}


def _field(obj: Object, path: Path) -> dict[str, Any]:
    value = dig(obj, *path)
    if value is not None:
        return {"path": list(path), "value": value}
    depth = next(end for end in range(1, len(path) + 1) if dig(obj, *path[:end]) is None)
    return {"path": list(path), "absent": list(path[:depth])}


def _touched(before: Captured, obj: Object, floor: int) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """The captured fields that a hold changes, each with our value."""
    row = _row(obj)
    if row is None:
        return
    values = dict.fromkeys(row.fields) | {_path(field["path"]): field.get("value") for field in before}
    ours = row.hold(values, floor)
    for field in before:
        path = _path(field["path"])
        if path in ours:
            yield field, ours[path]


def _grown(field: Mapping[str, Any], obj: Object) -> Path:
    """What to delete: all that was absent, where nobody else has put anything into it meanwhile."""
    path = _path(field["path"])
    for end in range(len(field["absent"]), len(path)):
        if len(dig(obj, *path[:end])) == 1:
            return path[:end]
    return path


def _patch(changes: Mapping[Path, Any]) -> Object | None:
    patch: Object = {}
    for path, value in changes.items():
        at = patch
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = value
    return patch or None


def _path(parts: Iterable[str]) -> Path:
    return tuple(parts)


def _word(value: Any) -> str:
    return "absent" if value is None else str(value)
