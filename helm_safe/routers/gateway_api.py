"""Gateway API HTTPRoute: the weights of `spec.rules[].backendRefs[]`.

Only the weights of our backends are written; filters, matches, timeouts, other rules and unknown fields stay.
Weights are relative, at most 1,000,000 (Gateway API v1), so every share of a rule is kept exactly by scaling by 100.
"""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from math import lcm
from typing import Any

from helm_safe.core.objects import Object, dig, mapping, namespace_of, ref_of, sequence
from helm_safe.model.routes import Backends, RouteCapture, Weight

GROUP = "gateway.networking.k8s.io"
NAME = "gateway-api"
MAX_WEIGHT = 1_000_000

Patch = list[dict[str, Any]]


def routes_to(routes: list[Object], namespace: str, service: str) -> list[Object]:
    """The HTTPRoutes among `routes` that send traffic to the Service."""
    return [route for route in routes if any(_mentions(route, rule, namespace, service) for rule in _rules(route))]


def problems(route: Object, namespace: str, service: str) -> list[str]:
    """Why traffic of this route cannot be split safely, in words; empty where it can."""
    found = []
    for number, rule in enumerate(_rules(route)):
        entries = _mentions(route, rule, namespace, service)
        if len(entries) > 1:
            found.append(f"rule {number} names the Service {service} {len(entries)} times")
        if entries and sum(_weight(entry) for entry in sequence(rule, "backendRefs")) == 0:
            found.append(f"rule {number} has no backend with a weight above 0")
        if entries and namespace_of(route) != namespace:
            found.append(f"the route is in namespace {namespace_of(route)}, its backend in {namespace}")
    return found


def capture(route: Object) -> RouteCapture:
    """The rules as they are; what `patch` computes from and `restore` puts back."""
    return RouteCapture(NAME, ref_of(route), {"rules": deepcopy(_rules(route))})


def patch(captured: RouteCapture, live: Object, backends: Backends, weight: Weight) -> Patch:
    """JSON patch that gives the canary its share; empty where the live object has it already.

    Computed from the captured rules, never from the live ones, so writing twice equals writing once; the test of the
    resourceVersion makes a concurrent writer a conflict instead of a lost update.
    """
    return _replace(live, [_split(captured, rule, backends, weight) for rule in captured.base["rules"]])


def restore(captured: RouteCapture, live: Object) -> Patch:
    """JSON patch back to the captured backends; empty where they are there."""
    return _replace(live, [sequence(rule, "backendRefs") for rule in captured.base["rules"]])


def foreign_change(captured: RouteCapture, live: Object) -> str:
    """What somebody else changed in the rules since the capture, "" when nothing; the weights are ours."""
    before, now = captured.base["rules"], _rules(live)
    if len(before) != len(now):
        return f"the route has {len(now)} rules, {len(before)} when it was captured"
    for number, (old, new) in enumerate(zip(before, now, strict=True)):
        if {**old, "backendRefs": None} != {**new, "backendRefs": None}:
            return f"rule {number} was edited"
    return ""


def actual(route: Object, backends: Backends) -> Weight | None:
    """The share that the object gives the canary now, over the rules that name either backend; None where none does
    or where they disagree.
    """
    shares = {_share(route, rule, backends) for rule in _rules(route)} - {None}
    return Weight(float(shares.pop() or 0) * 100) if len(shares) == 1 else None


def converged(route: Object) -> bool | None:
    """Whether every parent has accepted this generation; None where no parent reports yet."""
    parents = sequence(route, "status", "parents")
    if not parents:
        return None
    generation = dig(route, "metadata", "generation")
    return all(_accepted(parent, generation) for parent in parents)


def _accepted(parent: Any, generation: Any) -> bool:
    conditions = {c.get("type"): c for c in sequence(parent, "conditions") if isinstance(c, dict)}
    return all(
        conditions.get(kind, {}).get("status") == "True" and conditions[kind].get("observedGeneration") == generation
        for kind in ("Accepted", "ResolvedRefs")
    )


def _split(captured: RouteCapture, rule: dict[str, Any], backends: Backends, weight: Weight) -> list[dict[str, Any]]:
    """The rule's backends with the stable one's share divided; every other backend keeps its share of the whole."""
    refs = deepcopy(sequence(rule, "backendRefs"))
    owner = {"metadata": {"namespace": captured.ref.namespace}}
    stable = next((ref for ref in refs if _is(owner, ref, backends.namespace, backends.stable)), None)
    if stable is None:
        return refs
    refs = [ref for ref in refs if not _is(owner, ref, backends.namespace, backends.canary)]
    canary = {**deepcopy(stable), "name": backends.canary}
    share, alone = Fraction(str(weight.canary)) / 100, len(refs) == 1
    whole = Fraction(100) if alone else Fraction(_weight(stable) * 100)
    weights = [*(Fraction(_weight(ref) * 100) for ref in refs), whole * share]
    weights[refs.index(stable)] = whole * (1 - share)
    for ref, value in zip([*refs, canary], _whole_numbers(weights), strict=True):
        ref["weight"] = value
    return [*refs, canary]


def _whole_numbers(weights: list[Fraction]) -> list[int]:
    """The same ratios in whole numbers below the API's maximum."""
    scale = lcm(*(weight.denominator for weight in weights))
    found = [int(weight * scale) for weight in weights]
    if max(found) <= MAX_WEIGHT:
        return found
    shrink = Fraction(MAX_WEIGHT, max(found))
    return [max(1, round(value * shrink)) if value else 0 for value in found]


def _replace(live: Object, wanted: list[list[dict[str, Any]]]) -> Patch:
    operations: Patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": dig(live, "metadata", "resourceVersion")}
    ]
    for number, (rule, refs) in enumerate(zip(_rules(live), wanted, strict=False)):
        if sequence(rule, "backendRefs") != refs:
            operations.append({"op": "replace", "path": f"/spec/rules/{number}/backendRefs", "value": refs})
    return operations if len(operations) > 1 else []


def _rules(route: Object) -> list[dict[str, Any]]:
    return [rule for rule in sequence(route, "spec", "rules") if isinstance(rule, dict)]


def _mentions(route: Object, rule: dict[str, Any], namespace: str, service: str) -> list[dict[str, Any]]:
    return [ref for ref in sequence(rule, "backendRefs") if _is(route, ref, namespace, service)]


def _is(route: Object, ref: Any, namespace: str, service: str) -> bool:
    """Whether a backendRef names the Service; an absent group is the core one, an absent kind Service."""
    entry = mapping(ref)
    return (
        entry.get("name") == service
        and entry.get("group", "") == ""
        and entry.get("kind", "Service") == "Service"
        and entry.get("namespace", namespace_of(route)) == namespace
    )


def _weight(ref: Any) -> int:
    found = mapping(ref).get("weight", 1)
    return int(found) if isinstance(found, int) else 1


def _share(route: Object, rule: dict[str, Any], backends: Backends) -> Fraction | None:
    canary = sum(_weight(ref) for ref in _mentions(route, rule, backends.namespace, backends.canary))
    stable = sum(_weight(ref) for ref in _mentions(route, rule, backends.namespace, backends.stable))
    return Fraction(canary, canary + stable) if canary + stable else None
