"""Skipper RouteGroup: the weights of `spec.defaultBackends[]` and `spec.routes[].backends[]`.

Both name entries of `spec.backends[]`; the standby gets an entry there while users move. All weights 0 would share
evenly (zalando/skipper), so that is never written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from helm_safe.core.objects import Object, dig, mapping, namespace_of, sequence
from helm_safe.model.routes import Backends, RouteCapture, Weight
from helm_safe.routers.patches import Path, Values, restored
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, stated_or_alone

BACKENDS: Path = ("spec", "backends")
_SERVICE = "service"  # a note on an entry while it is read: which Service its backend is


def _rules(route: Object) -> Iterator[Rule]:
    services = {
        str(each.get("name")): str(each.get("serviceName"))
        for each in map(mapping, sequence(route, *BACKENDS))
        if each.get("type") == "service"
    }
    lists: list[tuple[Path, str, bool]] = [(("spec", "defaultBackends"), "its default", False)]
    for at, rule in enumerate(sequence(route, "spec", "routes")):
        pinned = any(str(each).startswith(("Header", "Cookie")) for each in sequence(rule, "predicates"))
        lists.append((("spec", "routes", at, "backends"), f"route {at}", pinned))
    for path, where, pinned in lists:
        entries = [mapping(each) for each in sequence(route, *path)]
        if entries:
            noted = [{**each, _SERVICE: services.get(str(each.get("backendName")), "")} for each in entries]
            yield Rule(path, where, noted, pinned)


def _backend(entry: Entry, own: str) -> Place:
    return (own, str(entry[_SERVICE])) if entry.get(_SERVICE) else NOWHERE


def _hold(_value: Any, entries: list[Entry]) -> Any:
    return [{key: value for key, value in each.items() if key != _SERVICE} for each in entries]


class RouteGroupRouter(WeightedRouter):
    """Weights by name of a backend, and an entry among the backends for each Service that has none."""

    def values(self, route: Object, *, pinned: bool = True) -> dict[Path, Any]:
        return {BACKENDS: dig(route, *BACKENDS), **super().values(route, pinned=pinned)}

    def wanted(self, captured: RouteCapture, pairs: Sequence[Backends], weight: Weight) -> Values:
        route = restored(captured)
        declared = deepcopy(sequence(route, *BACKENDS))
        known = {str(dig(each, "serviceName")) for each in declared}
        for pair in pairs:
            like = next((each for each in declared if dig(each, "serviceName") == pair.stable), None)
            if like and pair.canary not in known:
                declared.append({**deepcopy(like), "name": pair.canary, "serviceName": pair.canary})
        return {**super().wanted(captured, pairs, weight), BACKENDS: declared}

    def services(self, route: Object, *more: Any, **named: Any) -> set[str]:
        """Also those that are declared and get nothing."""
        declared = [mapping(each) for each in sequence(route, *BACKENDS)]
        own = namespace_of(route)
        wanted = str(named.get("namespace") or (more[1] if len(more) > 1 else "")) or own
        found = {str(each["serviceName"]) for each in declared if each.get("serviceName")} if wanted == own else set()
        return super().services(route, *more, **named) | found


ROUTER = RouteGroupRouter(
    Format(
        "skipper-route-group",
        ("zalando.org", "RouteGroup"),
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "backendName": backend, _SERVICE: backend},
        counts=stated_or_alone,
        most=1_000_000,
        hold=_hold,
    )
)
