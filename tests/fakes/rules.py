"""What the API server does to an object on its way in: defaults, immutable fields, field managers."""

from __future__ import annotations

import base64
import copy
import uuid
from datetime import datetime
from typing import Any

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.model.errors import Conflict, Invalid
from helm_safe.model.snapshot import Resource
from tests.fakes import merging

Key = tuple[str, str, str, str]
"""Group, kind, namespace, name."""
_ABSENT = object()


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def fresh(obj: Object, now: datetime) -> Object:
    new = copy.deepcopy(obj)
    metadata = new.setdefault("metadata", {})
    metadata.setdefault("uid", str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", stamp(now))
    if new.get("kind") == "Secret" and "stringData" in new:
        plain = new.pop("stringData")
        new["data"] = {**new.get("data", {}), **{k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}}
    if new.get("kind") in ("Deployment", "StatefulSet", "ReplicaSet") and "spec" in new:
        new["spec"].setdefault("replicas", 1)
    return new


def desired(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _content(obj: Object) -> Object:
    """What field managers can own."""
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: value for key, value in mapping(obj, "metadata").items() if key in ("labels", "annotations")}
    return {**content, "metadata": metadata} if any(metadata.values()) else content


def refuse_immutable(old: Object | None, new: Object) -> None:
    fixed = {"Deployment": ("spec", "selector"), "StatefulSet": ("spec", "serviceName"), "Job": ("spec", "template")}
    path = fixed.get(str(new.get("kind")))
    if old and path and dig(old, *path) is not None and dig(old, *path) != dig(new, *path):
        raise Invalid(f"{'.'.join(path)}: Invalid value: field is immutable", status=422, reason="Invalid")
    if old and old.get("immutable") and (old.get("data") != new.get("data")):
        raise Invalid("data: Forbidden: field is immutable when `immutable` is set", status=422, reason="Invalid")


def applied(
    resource: Resource, key: Key, old: Object | None, patch: Any, manager: str, force: bool, now: datetime
) -> Object:
    wanted = {"apiVersion": resource.gvk.api_version, "kind": resource.gvk.kind, **copy.deepcopy(patch)}
    wanted.setdefault("metadata", {})["name"] = key[3]
    if key[2]:
        wanted["metadata"]["namespace"] = key[2]
    wanted.pop("status", None)
    if old is None:
        return managed({}, fresh(wanted, now), manager, now, applied=wanted)
    _refuse_foreign(old, wanted, manager, force)
    new = merging.strategic(old, {k: v for k, v in wanted.items() if k not in ("apiVersion", "kind")})
    mine, others = _owned(old, manager)
    for path in mine - set(merging.leaves(_content(wanted))) - others:
        merging.drop(new, path)
    refuse_immutable(old, new)
    return managed(old, new, manager, now, applied=wanted)


def _refuse_foreign(old: Object, wanted: Object, manager: str, force: bool) -> None:
    there = merging.leaves(_content(old))
    changed = {
        path for path, value in merging.leaves(_content(wanted)).items() if path in there and there[path] != value
    }
    causes = tuple(
        (str(entry["manager"]), "." + ".".join(part.removeprefix("f:") for part in path))
        for entry in sequence(old, "metadata", "managedFields")
        if entry["manager"] != manager
        for path in sorted(merging.unnest(entry["fieldsV1"]) & changed)
    )
    if causes and not force:
        conflict = Conflict(f"Apply failed with {len(causes)} conflicts", status=409, reason="Conflict")
        conflict.causes = causes
        raise conflict


def _owned(obj: Object, manager: str) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Paths that this manager applied, and those of everybody else."""
    mine: set[tuple[str, ...]] = set()
    others: set[tuple[str, ...]] = set()
    for entry in sequence(obj, "metadata", "managedFields"):
        own = entry["manager"] == manager and entry["operation"] == "Apply"
        (mine if own else others).update(merging.unnest(entry["fieldsV1"]))
    return mine, others


def managed(old: Object, new: Object, manager: str, now: datetime, *, applied: Object | None = None) -> Object:
    """`new` with its managedFields brought up to date; a patch of managedFields itself is taken as it stands.

    applied: what the manager applied, None for an update.
    """
    entries = copy.deepcopy(sequence(new, "metadata", "managedFields"))
    if old and entries != sequence(old, "metadata", "managedFields"):
        new["metadata"]["managedFields"] = [entry for entry in entries if entry]
        return new
    before, after = merging.leaves(_content(old)) if old else {}, merging.leaves(_content(new))
    changed = {path for path, value in after.items() if before.get(path, _ABSENT) != value} | (set(before) - set(after))
    taken = set(merging.leaves(_content(applied))) if applied else changed & set(after)
    operation = "Apply" if applied else "Update"
    kept, time = [], stamp(now)
    for entry in entries:
        paths = merging.unnest(entry["fieldsV1"])
        if (entry["manager"], entry["operation"]) == (manager, operation):
            taken |= set() if applied else paths - (set(before) - set(after))
            if not changed and paths == taken:
                time = entry.get("time", time)  # a write without effect leaves no mark
        elif left := paths - changed:
            kept.append({**entry, "fieldsV1": merging.nest(left)})
    if taken:
        version = str(new.get("apiVersion"))
        kept.append(
            {
                "manager": manager,
                "operation": operation,
                "apiVersion": version,
                "time": time,
                "fieldsType": "FieldsV1",
                "fieldsV1": merging.nest(taken),
            }
        )
    if kept:
        new["metadata"]["managedFields"] = kept
    else:
        new["metadata"].pop("managedFields", None)
    return new
