"""Traefik: the weights of `TraefikService.spec.weighted.services[]` and of `IngressRoute.spec.routes[].services[]`.

A weight that is not stated counts 1; a service with 0 gets nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from helm_safe.core.objects import Object, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, stated

GROUP = "traefik.io"
_PINS = re.compile(r"\bHeaders?(Regexp)?\(")


def _weighted(route: Object) -> Iterator[Rule]:
    services = sequence(route, "spec", "weighted", "services")
    if services:
        yield Rule(("spec", "weighted", "services"), "it", list(map(mapping, services)))


def _routes(route: Object) -> Iterator[Rule]:
    for index, rule in enumerate(sequence(route, "spec", "routes")):
        if sequence(rule, "services"):
            pinned = bool(_PINS.search(str(mapping(rule).get("match") or "")))
            services = list(map(mapping, rule["services"]))
            yield Rule(("spec", "routes", index, "services"), f"route {index}", services, pinned)


def _backend(entry: Entry, own: str) -> Place:
    if entry.get("kind", "Service") != "Service":
        return NOWHERE
    return str(entry.get("namespace") or own), str(entry.get("name") or "")


def _router(name: str, kind: str, rules: Callable[[Object], Iterator[Rule]]) -> WeightedRouter:
    return WeightedRouter(
        Format(
            name,
            (GROUP, kind),
            rules=rules,
            backend=_backend,
            pointed=lambda entry, backend: {**entry, "name": backend},
            counts=stated(1),
            most=1_000_000,
        )
    )


SERVICE = _router("traefik-service", "TraefikService", _weighted)
ROUTE = _router("traefik-ingress-route", "IngressRoute", _routes)
TCP_ROUTE = _router("traefik-ingress-route-tcp", "IngressRouteTCP", _routes)
