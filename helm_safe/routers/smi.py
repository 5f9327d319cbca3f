"""SMI TrafficSplit, which its project has archived: the weights of `spec.backends[]` from v1alpha2 on."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import Object, gvk_of, mapping, sequence
from helm_safe.routers.weighted import Entry, Format, Place, Rule, WeightedRouter, stated


def _rules(route: Object) -> Iterator[Rule]:
    if sequence(route, "spec", "backends"):
        yield Rule(("spec", "backends"), "its split", list(map(mapping, sequence(route, "spec", "backends"))))


def _backend(entry: Entry, own: str) -> Place:
    return own, str(entry.get("service") or "")


def _old(route: Object) -> Iterator[str]:
    if gvk_of(route).version == "v1alpha1":
        yield "its weights are quantities (v1alpha1); serve v1alpha2 or later"


ROUTER = WeightedRouter(
    Format(
        "smi",
        ("split.smi-spec.io", "TrafficSplit"),
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "service": backend},
        counts=stated(0),
        most=1_000_000,
        told=_old,
    )
)
