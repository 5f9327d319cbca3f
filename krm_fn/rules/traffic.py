"""TRAFFIC-001, TRAFFIC-010, TRAFFIC-011: what the routes of a build do with its users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helm_safe.core.objects import dig, sequence
from helm_safe.core.splits import ISTIO, Destination, Rule, rules, words
from krm_fn.items import Item, Items
from krm_fn.rules.build import Build, Violation


def check(build: Build) -> Iterator[Violation]:
    for item in build.items:
        for rule in rules(item.data):
            yield from _even(item, rule)
            yield from _sum(item, rule)
            if len(rule.destinations) > 1:
                for number, each in enumerate(rule.destinations):
                    yield from _unknown(build.items, item, rule, number, each)


def _even(item: Item, rule: Rule) -> Iterator[Violation]:
    if rule.even:
        unstated = any(each.weight is None for each in rule.destinations)
        why = " (a weight that is not stated counts 1)" if unstated and not rule.istio else ""
        yield Violation(
            "TRAFFIC-001",
            item,
            rule.path,
            f"{item} splits the traffic ({words(rule.shares)}){why}: about half of the users meet a version that has"
            " not proved itself.",
            "Give all of the weight to the version that serves now; helm-safe moves users in steps, with a gate before"
            " each.",
        )


def _sum(item: Item, rule: Rule) -> Iterator[Violation]:
    stated = [each.weight for each in rule.destinations]
    problem = ""
    if any(each is not None and not _is_weight(each) for each in stated):
        problem = "a weight is not a whole number of 0 or more"
    elif not any(rule.weights):
        problem = "all weights are 0, so that nobody knows where users go"
    elif rule.istio and len(stated) > 1 and sum(rule.weights) != 100:
        problem = f"the weights are {sum(rule.weights):g} in all, not 100, so that the shares are not what is written"
    if problem:
        yield Violation("TRAFFIC-010", item, rule.path, f"{item}: {problem}.", "Correct the weights.")


def _is_weight(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unknown(items: Items, item: Item, rule: Rule, number: int, to: Destination) -> Iterator[Violation]:
    if not to.local or not to.host or to.namespace not in ("", item.namespace):
        return
    known = [each.name for each in items.of("Service", "") if each.namespace == item.namespace]
    if to.host not in known:
        near = next((name for name in known if name.endswith(to.host) or to.host.endswith(name)), "")
        hint = f" There is Service/{near}: a prefix may not have reached the route." if near else ""
        told = f"{item} sends users to Service/{to.host}, which the build does not hold.{hint}"
    elif to.subset and not _has_subset(items, item, to):
        told = f"{item} sends users to subset {to.subset} of {to.host}, which its DestinationRule does not define."
    else:
        return
    yield Violation("TRAFFIC-011", item, (*rule.path, number), told, "Those users get errors: correct the name.")


def _has_subset(items: Items, item: Item, to: Destination) -> bool:
    """Whether a DestinationRule of the build defines it; where it holds none of the host, they live elsewhere."""
    found = [
        each
        for each in items.of("DestinationRule", ISTIO)
        if each.namespace == item.namespace and str(each.get("spec", "host")).partition(".")[0] == to.host
    ]
    named = {dig(subset, "name") for each in found for subset in sequence(each.data, "spec", "subsets")}
    return not found or to.subset in named
