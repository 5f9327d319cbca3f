"""APISIX ApisixRoute v2: the weights of `spec.http[].backends[]`. One that is not stated counts 100."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.routers.weighted import Entry, Format, Place, Rule, WeightedRouter, stated


def _rules(route: Object) -> Iterator[Rule]:
    for index, rule in enumerate(sequence(route, "spec", "http")):
        if sequence(rule, "backends"):
            where = f"http rule {dig(rule, 'name') or index}"
            scopes = {dig(each, "subject", "scope") for each in sequence(rule, "match", "exprs")}
            pinned = bool(scopes & {"Header", "Cookie"})
            yield Rule(("spec", "http", index, "backends"), where, list(map(mapping, rule["backends"])), pinned)


def _backend(entry: Entry, own: str) -> Place:
    return own, str(entry.get("serviceName") or "")


def _synced(route: Object) -> bool | None:
    for condition in sequence(route, "status", "conditions"):
        if dig(condition, "observedGeneration") is not None:
            seen = dig(condition, "observedGeneration") == dig(route, "metadata", "generation")
            return bool(seen and dig(condition, "status") == "True")
    return None


ROUTER = WeightedRouter(
    Format(
        "apisix",
        ("apisix.apache.org", "ApisixRoute"),
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "serviceName": backend},
        counts=stated(100),
        most=1_000_000,
        converged=_synced,
    )
)
