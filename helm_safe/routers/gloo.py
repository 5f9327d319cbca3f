"""Gloo RouteTable and VirtualService: the weights of `routeAction.multi.destinations[]`.

A route with a single destination gets several ones while users move. Destinations that name an Upstream are not moved:
the standby would need an Upstream of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from helm_safe.core.objects import Object, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, all_pinned, stated_or_alone

GROUP = "gateway.solo.io"


def _actions(route: Object, *path: str) -> Iterator[Rule]:
    for index, rule in enumerate(sequence(route, *path)):
        action = mapping(rule, "routeAction")
        entries = [mapping(each) for each in sequence(action, "multi", "destinations")]
        single = [{"destination": action["single"]}] if mapping(action, "single") else []
        if entries or single:
            pinned = all_pinned(sequence(rule, "matchers"), lambda match: bool(sequence(match, "headers")))
            yield Rule((*path, index, "routeAction"), f"route {index}", entries or single, pinned)


def _backend(entry: Entry, own: str) -> Place:
    ref = mapping(entry, "destination", "kube", "ref")
    return (str(ref.get("namespace") or own), str(ref.get("name") or "")) if ref else NOWHERE


def _pointed(entry: Entry, backend: str) -> Entry:
    made = deepcopy(entry)
    made["destination"]["kube"]["ref"]["name"] = backend
    return made


def _hold(action: Any, entries: list[Entry]) -> Any:
    if len(entries) == 1 and "single" in action:
        return action
    kept = {key: value for key, value in action.items() if key != "single"}
    return {**kept, "multi": {**mapping(action, "multi"), "destinations": entries}}


def _bare(action: Any) -> Any:
    return {key: value for key, value in action.items() if key not in ("single", "multi")}


def _router(name: str, kind: str, *path: str) -> WeightedRouter:
    return WeightedRouter(
        Format(
            name,
            (GROUP, kind),
            rules=lambda route: _actions(route, *path),
            backend=_backend,
            pointed=_pointed,
            counts=stated_or_alone,
            most=1_000_000,
            hold=_hold,
            bare=_bare,
        )
    )


TABLE = _router("gloo", "RouteTable", "spec", "routes")
SERVICE = _router("gloo-virtual-service", "VirtualService", "spec", "virtualHost", "routes")
