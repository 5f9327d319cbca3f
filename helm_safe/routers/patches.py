"""JSON patches of routes, and what somebody else did to one: shared by all routers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, dig, mapping, ref_of, sequence
from helm_safe.model.routes import Backends, Foreign, Patch, RouteCapture, Weight

Path = tuple[str | int, ...]
Values = Mapping[Path, Any]
"""What stands at the places that a router writes; None where nothing does."""


class PatchingRouter:
    """What all routers share: they write values at a few places, computed from the captured ones, never from the live
    ones, so writing twice equals writing once.
    """

    name: str

    def values(self, route: Object, *, pinned: bool = True) -> dict[Path, Any]:
        """What stands where this router writes. pinned: rules for requests with a certain header or cookie too."""
        raise NotImplementedError

    def wanted(self, captured: RouteCapture, pairs: Sequence[Backends], weight: Weight) -> Values:
        """The captured values with the pairs split."""
        raise NotImplementedError

    def said(self, route: Object) -> str:
        """The weights in words."""
        raise NotImplementedError

    def bare(self, path: Path, value: Any) -> Any:  # noqa: ARG002 - others keep a part
        """The part of a value that is not ours; None where all of it is."""
        return None

    def capture(self, route: Object, *, pinned: bool = True) -> RouteCapture:
        """What `patch` computes from and `restore` puts back, and what must not change meanwhile."""
        values = self.values(route, pinned=pinned)
        listed = [[list(path), deepcopy(value)] for path, value in values.items()]
        return RouteCapture(self.name, ref_of(route), {"values": listed, "rest": self._rest(route, values)})

    def _rest(self, route: Object, paths: Iterable[Path]) -> Object:
        """The spec without what is ours."""
        return hollow(route, {path: self.bare(path, dig(route, *path)) for path in paths})

    def patch(self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weight: Weight) -> Patch:
        """JSON patch that gives each canary its share; empty where the live object has it already."""
        return patch(live, self.wanted(captured, pairs, weight))

    def restore(self, captured: RouteCapture, live: Object) -> Patch:
        """JSON patch back to the captured values; empty where they are there."""
        return patch(live, captured_values(captured))

    def foreign(
        self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weights: Sequence[Weight | None]
    ) -> Foreign | None:
        """What somebody else changed since the capture, None when nothing.

        weights: those that we may have written last; None stands for the captured ones.
        """
        before = captured_values(captured)
        try:
            place = edited(captured.base["rest"], self._rest(live, before))
        except (KeyError, IndexError, TypeError):  # what held our values is gone
            place = "spec"
        if place:
            return Foreign(f"{place} was edited", last_writer(live))
        for weight in weights:
            stated = before if weight is None else self.wanted(captured, pairs, weight)
            if all(dig(live, *path) == value for path, value in stated.items()):
                return None
        return Foreign(f"its backends were changed to {self.said(live)}", last_writer(live))


def captured_values(captured: RouteCapture) -> dict[Path, Any]:
    return {tuple(path): value for path, value in captured.base["values"]}


def restored(captured: RouteCapture) -> Object:
    """As much of the captured route as a router reads: its spec, and the annotations that it writes."""
    values = captured_values(captured)
    annotations = {str(path[2]): value for path, value in values.items() if path[0] == "metadata" and value is not None}
    metadata = {"namespace": captured.ref.namespace, "name": captured.ref.name, "annotations": annotations}
    route: Object = {"metadata": metadata, **deepcopy(captured.base["rest"])}
    for path, value in values.items():
        if path[0] == "spec":
            put(route, path, deepcopy(value))
    return route


def patch(live: Object, wanted: Values) -> Patch:
    """JSON patch from the live object to the wanted values; empty where they are there.

    The test of the resourceVersion makes a concurrent writer a conflict instead of a lost update.
    """
    operations = [each for path, value in wanted.items() for each in _operations(live, path, value)]
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": dig(live, "metadata", "resourceVersion")}
    return [version, *operations] if operations else []


def put(obj: Object, path: Path, value: Any) -> None:
    """Set, or with None remove, what stands at a path whose parents exist."""
    *parents, last = path
    at: Any = obj
    for part in parents:
        at = at[part]
    if value is not None:
        at[last] = value
    elif isinstance(at, dict):
        at.pop(last, None)


def hollow(obj: Object, paths: Values) -> Object:
    """The spec where what stands at those paths is replaced by what is given for it, None for nothing."""
    rest = {"spec": deepcopy(obj.get("spec"))}
    for path, value in paths.items():
        if path[0] == "spec":
            put(rest, path, value)
    return rest


def edited(before: Any, now: Any) -> str:
    """The first place at which two values differ, such as "spec.rules[0].matches"; "" where they are equal."""
    return next(_edits(before, now, ""), "")


def last_writer(obj: Object) -> str:
    """Who wrote the object last, not counting us or its status: "kubectl-edit at 2026-01-02T03:04:05Z", "" where
    nothing tells.
    """
    entries = [mapping(each) for each in sequence(obj, "metadata", "managedFields")]
    others = [each for each in entries if each.get("manager") != MANAGED_BY and _beyond_status(each)]
    newest = max(others, key=lambda each: str(each.get("time") or ""), default=None)
    return f"{newest.get('manager')} at {newest.get('time')}" if newest else ""


def pointer(path: Path) -> str:
    """The path as RFC 6901 spells it."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _operations(live: Object, path: Path, wanted: Any) -> Iterator[dict[str, Any]]:
    before = dig(live, *path)
    if before == wanted:
        return
    if isinstance(before, dict) and isinstance(wanted, dict):
        for key in sorted({*before, *wanted}):
            yield from _operations(live, (*path, key), wanted.get(key))
    elif wanted is None:
        yield {"op": "remove", "path": pointer(path)}
    elif before is None and dig(live, *path[:-1]) is None:
        yield {"op": "add", "path": pointer(path[:-1]), "value": {path[-1]: wanted}}
    else:
        yield {"op": "add" if before is None else "replace", "path": pointer(path), "value": wanted}


def _edits(before: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _edits(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _edits(one, other, f"{path}[{number}]")
    elif before != now:
        yield path


def _beyond_status(entry: dict[str, Any]) -> bool:
    fields = mapping(entry, "fieldsV1")
    return "f:spec" in fields or "f:annotations" in mapping(fields, "f:metadata")
