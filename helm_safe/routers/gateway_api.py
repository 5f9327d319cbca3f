"""Gateway API: the weights of `spec.rules[].backendRefs[]`; parents may be Gateways or, in a mesh, Services.

Weights are relative, at most 1,000,000 (Gateway API v1), so every share of a rule is kept exactly by scaling by 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, all_pinned, stated

GROUP = "gateway.networking.k8s.io"
MAX_WEIGHT = 1_000_000


def _rules(route: Object) -> Iterator[Rule]:
    for index, rule in enumerate(sequence(route, "spec", "rules")):
        if "backendRefs" in mapping(rule):
            refs = [mapping(ref) for ref in sequence(rule, "backendRefs")]
            pinned = all_pinned(sequence(rule, "matches"), lambda match: bool(sequence(match, "headers")))
            yield Rule(("spec", "rules", index, "backendRefs"), f"rule {index}", refs, pinned)


def _backend(entry: Entry, own: str) -> Place:
    """An absent group is the core one, an absent kind Service."""
    if (entry.get("group", ""), entry.get("kind", "Service")) != ("", "Service"):
        return NOWHERE
    return str(entry.get("namespace", own)), str(entry.get("name") or "")


def _accepted(route: Object) -> bool | None:
    """Whether every parent has accepted this generation; None where no parent reports yet."""
    parents = sequence(route, "status", "parents")
    if not parents:
        return None
    generation = dig(route, "metadata", "generation")
    return all(_accepts(parent, generation) for parent in parents)


def _accepts(parent: Any, generation: Any) -> bool:
    conditions = {c.get("type"): c for c in sequence(parent, "conditions") if isinstance(c, dict)}
    return all(
        conditions.get(kind, {}).get("status") == "True" and conditions[kind].get("observedGeneration") == generation
        for kind in ("Accepted", "ResolvedRefs")
    )


def _refused(route: Object) -> Iterator[str]:
    """What a parent says against the route as it is, such as a missing ReferenceGrant."""
    for parent in sequence(route, "status", "parents"):
        for condition in sequence(parent, "conditions"):
            if dig(condition, "type") in ("Accepted", "ResolvedRefs") and dig(condition, "status") == "False":
                yield f"its parent {dig(parent, 'parentRef', 'name')} refuses it ({dig(condition, 'reason')}): " + str(
                    dig(condition, "message") or ""
                )


def _router(name: str, kind: str) -> WeightedRouter:
    return WeightedRouter(
        Format(
            name,
            (GROUP, kind),
            rules=_rules,
            backend=_backend,
            pointed=lambda entry, backend: {**entry, "name": backend},
            counts=stated(1),
            most=MAX_WEIGHT,
            told=_refused,
            converged=_accepted,
        )
    )


HTTP = _router("gateway-api", "HTTPRoute")
GRPC = _router("gateway-api-grpc", "GRPCRoute")
TCP = _router("gateway-api-tcp", "TCPRoute")
TLS = _router("gateway-api-tls", "TLSRoute")
