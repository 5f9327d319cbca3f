"""Routes that give about half of the users to each of two versions: refused, or on request corrected."""

from __future__ import annotations

from helm_safe.core.findings import Severity
from helm_safe.core.splits import Rule, rules, words
from krm_fn.exemptions import exempted
from krm_fn.function import Call
from krm_fn.items import Item
from krm_fn.selection import matches

EVEN = "TRAFFIC-001"


def settle(call: Call, how: str, stable: list[str]) -> None:
    """Refuse or correct every even split of the build. how: "refuse", "correct" or "allow"."""
    for item in call.items if how != "allow" else ():
        for rule in rules(item.data):
            if rule.even and not exempted(item, EVEN):
                if how == "refuse":
                    _refuse(call, item, rule, "Let spec.canary.evenSplits: correct give all to the one that serves.")
                else:
                    _correct(call, item, rule, stable)


def _correct(call: Call, item: Item, rule: Rule, stable: list[str]) -> None:
    """All users to the one destination that is known to be the stable one; who that is, is never guessed."""
    keeps = [
        bool(stable) and (matches(stable, each.host) or matches(stable, each.subset)) for each in rule.destinations
    ]
    by_subset = [bool(each.subset) and matches(stable, each.subset) for each in rule.destinations] if stable else []
    chosen = by_subset if sum(by_subset) == 1 else keeps
    if sum(chosen) != 1:
        names = ", ".join(each.name for each in rule.destinations)
        _refuse(call, item, rule, f"Name the one of {names} that keeps the users in spec.canary.stable.")
        return
    for number, keep in enumerate(chosen):
        item.set((*rule.path, number, "weight"), 100 if keep else 0)


def _refuse(call: Call, item: Item, rule: Rule, remedy: str) -> None:
    call.report(
        EVEN,
        Severity.ERROR,
        f"{item} splits the traffic ({words(rule.shares)}): about half of the users meet a version that has not proved"
        " itself.",
        item=item,
        path=rule.path,
        remediation=remedy,
    )
