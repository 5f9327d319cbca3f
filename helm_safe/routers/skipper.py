"""Skipper: the weights in the JSON of an Ingress's `zalando.org/backend-weights`.

They count between the backends of one path, all of which must stand in the same Ingress: the standby gets paths beside
those of the live Service while users move. All weights 0 would share evenly (zalando/skipper), and is never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from typing import Any

from helm_safe.core.objects import Object, annotations_of, dig, mapping, namespace_of, sequence
from helm_safe.model.routes import NOTHING, Around, Backends, RouteCapture, Weight
from helm_safe.routers.ingresses import INGRESS, INGRESS_CLASS, of_controller
from helm_safe.routers.patches import PatchingRouter, Path, Values, captured_values, restored
from helm_safe.routers.weighted import percent

PREFIX = "zalando.org/"
WEIGHTS: Path = ("metadata", "annotations", PREFIX + "backend-weights")
RULES: Path = ("spec", "rules")


class SkipperRouter(PatchingRouter):
    """helm_safe.ports.TrafficRouter for the Ingresses of Skipper."""

    name = "skipper"
    kind = INGRESS
    needs = (INGRESS_CLASS,)
    least = 0.0001

    def mine(self, route: Object, around: Around) -> bool:
        return _MINE(route, around)

    def services(self, route: Object, around: Around = NOTHING, namespace: str = "") -> set[str]:  # noqa: ARG002 - of the port
        own = not namespace or namespace == namespace_of(route)
        return {name for group in _groups(route) for name in group} if own else set()

    def beside(self, route: Object, service: str, around: Around = NOTHING) -> set[str]:  # noqa: ARG002 - of the port
        each = [set(group) for group in _groups(route) if service in group]
        return set.intersection(*each) - {service} if each else set()

    def problems(self, route: Object, service: str, around: Around = NOTHING) -> list[str]:  # noqa: ARG002 - of the port
        text = annotations_of(route).get(str(WEIGHTS[2]))
        if text and _parsed(text) is None:
            return [f"its annotation {WEIGHTS[2]} is no JSON object"]
        ours = [group for group in _groups(route) if service in group]
        if any(_counts(route, group)[group.index(service)] == 0 for group in ours):
            return [f"it gives the Service {service} a weight of 0: its traffic was moved away"]
        return []

    def shares(self, route: Object, around: Around = NOTHING) -> list[dict[str, float]]:  # noqa: ARG002 - of the port
        return [percent(group, _counts(route, group)) for group in _groups(route)]

    def carrier(self, route: Object, pairs: Sequence[Backends], around: Around) -> Object | None:  # noqa: ARG002 - of the port
        return None

    def pinned(self, route: Object, service: str) -> list[str]:  # noqa: ARG002 - of the port
        return []

    def values(self, route: Object, *, pinned: bool = True) -> dict[Path, Any]:  # noqa: ARG002 - of the port
        return {WEIGHTS: dig(route, *WEIGHTS), RULES: dig(route, *RULES)}

    def wanted(self, captured: RouteCapture, pairs: Sequence[Backends], weight: Weight) -> Values:
        route = restored(captured)
        weights, groups = dict(_parsed(dig(route, *WEIGHTS)) or {}), _groups(route)
        for pair in pairs:
            group = next((each for each in groups if pair.stable in each), None)
            if group:
                counts = dict(zip(group, _counts(route, group), strict=True))
                whole = counts[pair.stable] + counts.get(pair.canary, 0)
                canary = whole * Fraction(str(weight.canary)) / 100
                weights |= {pair.stable: _plain(whole - canary), pair.canary: _plain(canary)}
        rules = [_with_paths(rule, pairs) for rule in captured_values(captured)[RULES] or []]
        return {WEIGHTS: json.dumps(weights, separators=(",", ":")), RULES: rules}

    def share(self, route: Object, pairs: Sequence[Backends]) -> Weight | None:
        found = set()
        for group in _groups(route):
            counts = dict(zip(group, _counts(route, group), strict=True))
            for pair in pairs:
                whole = counts.get(pair.canary, Fraction(0)) + counts.get(pair.stable, Fraction(0))
                found |= {counts.get(pair.canary, Fraction(0)) / whole} if whole else set()
        return Weight(float(found.pop()) * 100) if len(found) == 1 else None

    def converged(self, route: Object) -> bool | None:  # noqa: ARG002 - of the port
        return None

    def said(self, route: Object) -> str:
        return str(dig(route, *WEIGHTS) or "one backend a path")


_MINE = of_controller("zalando.org/skipper", "skipper", PREFIX)
ROUTER = SkipperRouter()


def _parsed(text: Any) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        found = json.loads(str(text)) if text else {}
        return found if isinstance(found, dict) else None
    return None


def _groups(route: Object) -> list[list[str]]:
    """The Services that share the requests of each host and path."""
    found: dict[tuple[Any, Any], list[str]] = {}
    for rule in sequence(route, *RULES):
        for path in sequence(rule, "http", "paths"):
            name = str(dig(path, "backend", "service", "name") or "")
            names = found.setdefault((dig(rule, "host"), dig(path, "path")), [])
            if name and name not in names:
                names.append(name)
    return [names for names in found.values() if names]


def _counts(route: Object, group: Sequence[str]) -> list[Fraction]:
    """A backend without a weight counts nothing where another one has one, else all share evenly."""
    weights = _parsed(dig(route, *WEIGHTS)) or {}
    usable = [weights.get(name) for name in group]
    numbers = [Fraction(str(each)) if isinstance(each, (int, float)) and each > 0 else Fraction(0) for each in usable]
    return numbers if any(numbers) else [Fraction(100)] * len(group)


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _with_paths(rule: dict[str, Any], pairs: Sequence[Backends]) -> dict[str, Any]:
    """The rule with a path for each canary right behind its stable one's, where it has none yet."""
    paths = sequence(rule, "http", "paths")
    made = [each for path in paths for each in (path, *_beside(path, paths, pairs))]
    return {**rule, "http": {**mapping(rule, "http"), "paths": made}} if paths else rule


def _beside(path: Any, paths: Sequence[Any], pairs: Sequence[Backends]) -> Iterator[Any]:
    name = dig(path, "backend", "service", "name")
    for pair in pairs:
        there = {dig(each, "backend", "service", "name") for each in paths if dig(each, "path") == dig(path, "path")}
        if pair.stable == name and pair.canary not in there:
            made = deepcopy(path)
            made["backend"]["service"]["name"] = pair.canary
            yield made
