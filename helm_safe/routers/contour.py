"""Contour HTTPProxy: the weights of `spec.routes[].services[]` and `spec.tcpproxy.services[]`.

Source: projectcontour.io/v1. A weight that is not stated is 0, and services that all have 0 share evenly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, stated


def _rules(route: Object) -> Iterator[Rule]:
    for index, rule in enumerate(sequence(route, "spec", "routes")):
        if sequence(rule, "services"):
            pinned = any(mapping(each, "header") for each in sequence(rule, "conditions"))
            services = list(map(mapping, rule["services"]))
            yield Rule(("spec", "routes", index, "services"), f"route {index}", services, pinned)
    services = sequence(route, "spec", "tcpproxy", "services")
    if services:
        yield Rule(("spec", "tcpproxy", "services"), "the tcpproxy", list(map(mapping, services)))


def _backend(entry: Entry, own: str) -> Place:
    return NOWHERE if entry.get("mirror") else (own, str(entry.get("name") or ""))


def _counts(entries: Sequence[Entry]) -> list[Fraction]:
    """A mirror gets copies, no share."""
    sharing = [not entry.get("mirror") for entry in entries]
    found = [count * shares for count, shares in zip(stated(0)(entries), sharing, strict=True)]
    return found if any(found) else [Fraction(shares) for shares in sharing]


def _valid(route: Object) -> bool | None:
    for condition in sequence(route, "status", "conditions"):
        if dig(condition, "type") == "Valid":
            seen = dig(condition, "observedGeneration") == dig(route, "metadata", "generation")
            return bool(seen and dig(condition, "status") == "True")
    return None


def _invalid(route: Object) -> Iterator[str]:
    for condition in sequence(route, "status", "conditions"):
        if dig(condition, "type") == "Valid" and dig(condition, "status") == "False":
            yield f"Contour calls it invalid: {dig(route, 'status', 'description') or dig(condition, 'message') or ''}"


ROUTER = WeightedRouter(
    Format(
        "contour",
        ("projectcontour.io", "HTTPProxy"),
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "name": backend},
        counts=_counts,
        most=1_000_000,
        told=_invalid,
        converged=_valid,
    )
)
