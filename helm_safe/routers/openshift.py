"""OpenShift Route: `spec.to` and up to three `spec.alternateBackends`, weights 0 to 256, 100 where none is stated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helm_safe.core.objects import Object, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, stated

MOST_ALTERNATES = 3


def _rules(route: Object) -> Iterator[Rule]:
    spec = mapping(route, "spec")
    if mapping(spec, "to"):
        yield Rule(("spec",), "it", [spec["to"], *map(mapping, sequence(spec, "alternateBackends"))])


def _backend(entry: Entry, own: str) -> Place:
    return (own, str(entry.get("name") or "")) if entry.get("kind", "Service") == "Service" else NOWHERE


def _hold(spec: Any, entries: list[Entry]) -> Any:
    first, *others = entries
    return {**spec, "to": first, **({"alternateBackends": others} if others else {})}


def _bare(spec: Any) -> Any:
    return {key: value for key, value in spec.items() if key not in ("to", "alternateBackends")}


def _full(route: Object) -> Iterator[str]:
    if len(sequence(route, "spec", "alternateBackends")) >= MOST_ALTERNATES:
        yield f"it has {MOST_ALTERNATES} alternate backends already, which is the most that it may have"


ROUTER = WeightedRouter(
    Format(
        "openshift",
        ("route.openshift.io", "Route"),
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "name": backend},
        counts=stated(100),
        most=256,
        hold=_hold,
        bare=_bare,
        told=_full,
    )
)
