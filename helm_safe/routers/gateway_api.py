"""Gateway API HTTPRoute: the weights of `spec.rules[].backendRefs[]`.

Only the weights of our backends are written; filters, matches, timeouts, other rules and unknown fields stay.
Weights are relative, at most 1,000,000 (Gateway API v1), so every share of a rule is kept exactly by scaling by 100.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from fractions import Fraction
from math import lcm
from typing import Any

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, dig, mapping, namespace_of, ref_of, sequence
from helm_safe.model.routes import Backends, Foreign, Patch, RouteCapture, Weight

GROUP = "gateway.networking.k8s.io"
NAME = "gateway-api"
MAX_WEIGHT = 1_000_000


class HTTPRouteRouter:
    """helm_safe.ports.TrafficRouter for HTTPRoute v1; parents may be Gateways or, in a mesh, Services."""

    name = NAME
    kind = (GROUP, "HTTPRoute")

    def services(self, route: Object) -> set[str]:
        """Services of the route's own namespace that it sends requests to."""
        refs = [ref for rule in _rules(route) for ref in sequence(rule, "backendRefs")]
        return {str(mapping(ref).get("name")) for ref in refs if _is(route, ref, str(mapping(ref).get("name")))}

    def beside(self, route: Object, service: str) -> set[str]:
        """Services that stand beside this one in every rule that names it."""
        rules = [rule for rule in _rules(route) if _mentions(route, rule, service)]
        each = [{name for name in self.services(route) if _mentions(route, rule, name)} for rule in rules]
        return set.intersection(*each) - {service} if each else set()

    def problems(self, route: Object, service: str) -> list[str]:
        """Why traffic of this route cannot be split safely, in words; empty where it can."""
        found = []
        for number, rule in enumerate(_rules(route)):
            entries = _mentions(route, rule, service)
            if len(entries) > 1:
                found.append(f"rule {number} names the Service {service} {len(entries)} times")
            if entries and all(_weight(entry) == 0 for entry in entries):
                found.append(f"rule {number} gives the Service {service} a weight of 0: its traffic was moved away")
        return found + list(_refused(route))

    def capture(self, route: Object) -> RouteCapture:
        """The rules as they are; what `patch` computes from and `restore` puts back."""
        return RouteCapture(NAME, ref_of(route), {"rules": deepcopy(_rules(route))})

    def patch(self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weight: Weight) -> Patch:
        """JSON patch that gives each canary its share; empty where the live object has it already.

        Computed from the captured rules, never from the live ones, so writing twice equals writing once; the test of
        the resourceVersion makes a concurrent writer a conflict instead of a lost update.
        """
        return _replace(live, _wanted(captured, pairs, weight))

    def restore(self, captured: RouteCapture, live: Object) -> Patch:
        """JSON patch back to the captured backends; empty where they are there."""
        return _replace(live, _wanted(captured, (), None))

    def foreign(
        self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weights: Sequence[Weight | None]
    ) -> Foreign | None:
        """What somebody else changed since the capture, None when nothing.

        weights: those that we may have written last; None stands for the captured ones.
        """
        before, now = captured.base["rules"], _rules(live)
        if len(before) != len(now):
            return Foreign(f"it has {len(now)} rules, {len(before)} when it was captured", _last_writer(live))
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            if {**old, "backendRefs": None} != {**new, "backendRefs": None}:
                return Foreign(f"rule {number} was edited", _last_writer(live))
        found = [sequence(rule, "backendRefs") for rule in now]
        if any(_wanted(captured, pairs, weight) == found for weight in weights):
            return None
        return Foreign(f"its backends were changed to {_said(now)}", _last_writer(live))

    def share(self, route: Object, pairs: Sequence[Backends]) -> Weight | None:
        """The share that the object gives the canaries now, over the rules that name either backend; None where none
        does or where they disagree.
        """
        shares = {_share(route, rule, pair) for rule in _rules(route) for pair in pairs} - {None}
        return Weight(float(shares.pop() or 0) * 100) if len(shares) == 1 else None

    def converged(self, route: Object) -> bool | None:
        """Whether every parent has accepted this generation; None where no parent reports yet."""
        parents = sequence(route, "status", "parents")
        if not parents:
            return None
        generation = dig(route, "metadata", "generation")
        return all(_accepted(parent, generation) for parent in parents)


ROUTER = HTTPRouteRouter()


def _accepted(parent: Any, generation: Any) -> bool:
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


def _wanted(captured: RouteCapture, pairs: Sequence[Backends], weight: Weight | None) -> list[list[dict[str, Any]]]:
    """The backends of every rule with the pairs split; the captured ones where no weight is given."""
    rules: list[dict[str, Any]] = captured.base["rules"]
    if weight is None:
        return [sequence(rule, "backendRefs") for rule in rules]
    return [_split(captured, rule, pairs, weight) for rule in rules]


def _split(
    captured: RouteCapture, rule: dict[str, Any], pairs: Sequence[Backends], weight: Weight
) -> list[dict[str, Any]]:
    """The rule's backends with what each pair has together divided; every other backend keeps its share of the whole.

    A canary that the rule names already keeps its own entry (port, filters); a new one is made like the stable one.
    """
    owner = {"metadata": {"namespace": captured.ref.namespace}}
    refs = deepcopy(sequence(rule, "backendRefs"))
    named = {name: ref for pair in pairs for name in pair for ref in refs if _is(owner, ref, name)}
    present = [pair for pair in pairs if pair.stable in named]
    if not present:
        return refs
    shares = {id(ref): Fraction(_weight(ref) * 100) for ref in refs}
    for pair in present:
        stable = named[pair.stable]
        canary = named.get(pair.canary)
        if canary is None:
            canary = {**deepcopy(stable), "name": pair.canary}
            refs.append(canary)
            shares[id(canary)] = Fraction(0)
        whole = shares[id(stable)] + shares[id(canary)]
        shares[id(canary)] = whole * Fraction(str(weight.canary)) / 100
        shares[id(stable)] = whole - shares[id(canary)]
    if len(present) == 1 and len(refs) == 2:
        shares = _percentages(shares)
    for ref, value in zip(refs, _whole_numbers([shares[id(ref)] for ref in refs]), strict=True):
        ref["weight"] = value
    return refs


def _percentages(shares: dict[int, Fraction]) -> dict[int, Fraction]:
    """The same ratio out of 100: what people expect to read where nobody else has a share."""
    whole = sum(shares.values())
    return {key: value * 100 / whole for key, value in shares.items()} if whole else shares


def _last_writer(route: Object) -> str:
    """Who wrote the spec last, not counting us: "kubectl-edit at 2026-01-02T03:04:05Z", "" where nothing tells."""
    entries = [mapping(each) for each in sequence(route, "metadata", "managedFields")]
    others = [each for each in entries if each.get("manager") != MANAGED_BY and "f:spec" in mapping(each, "fieldsV1")]
    newest = max(others, key=lambda each: str(each.get("time") or ""), default=None)
    return f"{newest.get('manager')} at {newest.get('time')}" if newest else ""


def _said(rules: list[dict[str, Any]]) -> str:
    return "; ".join(
        ", ".join(f"{mapping(ref).get('name')} {_weight(ref)}" for ref in sequence(rule, "backendRefs")) or "nothing"
        for rule in rules
    )


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


def _mentions(route: Object, rule: dict[str, Any], service: str) -> list[dict[str, Any]]:
    return [ref for ref in sequence(rule, "backendRefs") if _is(route, ref, service)]


def _is(route: Object, ref: Any, service: str) -> bool:
    """Whether a backendRef names the Service beside the route; an absent group is the core one, an absent kind
    Service.
    """
    entry = mapping(ref)
    return (
        entry.get("name") == service
        and entry.get("group", "") == ""
        and entry.get("kind", "Service") == "Service"
        and entry.get("namespace", namespace_of(route)) == namespace_of(route)
    )


def _weight(ref: Any) -> int:
    found = mapping(ref).get("weight", 1)
    return found if isinstance(found, int) else 1


def _share(route: Object, rule: dict[str, Any], pair: Backends) -> Fraction | None:
    canary = sum(_weight(ref) for ref in _mentions(route, rule, pair.canary))
    stable = sum(_weight(ref) for ref in _mentions(route, rule, pair.stable))
    return Fraction(canary, canary + stable) if canary + stable else None
