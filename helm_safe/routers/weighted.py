"""Routers whose routes share traffic by weights in lists of backends: all but what such a list looks like. Pure.

Only the weights of our backends are written; matches, filters, other rules and unknown fields stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, namespace_of
from helm_safe.model.routes import NOTHING, Around, Backends, RouteCapture, Weight
from helm_safe.routers.patches import PatchingRouter, Path, Values, captured_values, restored

Entry = dict[str, Any]
Place = tuple[str, str]
"""(namespace, name) of a backend."""
NOWHERE: Place = ("", "")


class Rule(NamedTuple):
    """One list of backends that share a rule's traffic.

    path: of the value in the object that holds the list. where: for people. entries: as the object states them.
    pinned: whether only requests with a certain header or cookie come here.
    """

    path: Path
    where: str
    entries: list[Entry]
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """What the lists of one kind look like.

    rules: the lists of a route. backend: where an entry sends requests to, given the route's own namespace: a Service,
    "service/subset" for a part of its pods, NOWHERE for what is no Service. pointed: the same entry for another one.
    counts: what each entry counts, stated or not. most: the largest weight. hundred: whether the weights of a rule
    shall add up to 100. weight: where an entry states it. hold: the value that holds these entries, made of the one
    that holds the captured ones; bare: that value without anything of ours. mine, told, converged: as the port's `mine`
    and `converged`, and what the object itself says against being moved. crooked: what is wrong around it. needs: kinds
    that these two look at.
    """

    name: str
    kind: tuple[str, str]
    rules: Callable[[Object], Iterator[Rule]]
    backend: Callable[[Entry, str], Place]
    pointed: Callable[[Entry, str], Entry]
    counts: Callable[[Sequence[Entry]], list[Fraction]]
    most: int
    hundred: bool = False
    weight: str = "weight"
    hold: Callable[[Any, list[Entry]], Any] = lambda _value, entries: entries
    bare: Callable[[Any], Any] = lambda _value: None
    mine: Callable[[Object, Around], bool] = lambda _route, _around: True
    told: Callable[[Object], Iterable[str]] = lambda _route: ()
    crooked: Callable[[Object, str, Around], Iterable[str]] = lambda _route, _service, _around: ()
    needs: tuple[tuple[str, str], ...] = ()
    converged: Callable[[Object], bool | None] = lambda _route: None


class WeightedRouter(PatchingRouter):
    """helm_safe.ports.TrafficRouter for a Format."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.name = form.name
        self.kind = form.kind
        self.needs = form.needs
        self.least = 100 / (form.most + 1)

    def mine(self, route: Object, around: Around) -> bool:
        """Whether this router's gateway carries the object out."""
        return self.form.mine(route, around)

    def services(self, route: Object, around: Around = NOTHING, namespace: str = "") -> set[str]:  # noqa: ARG002 - of the port
        """Backends of the namespace (by default the route's own) that it sends requests to."""
        return {name for rule in self.form.rules(route) for name in self._names(route, rule, namespace)} - {""}

    def beside(self, route: Object, service: str, around: Around = NOTHING) -> set[str]:  # noqa: ARG002 - of the port
        """Backends that stand beside this one in every rule that names it."""
        named = [set(self._names(route, rule)) for rule in self.form.rules(route)]
        each = [names for names in named if service in names]
        return set.intersection(*each) - {service, ""} if each else set()

    def problems(self, route: Object, service: str, around: Around = NOTHING) -> list[str]:
        """Why traffic of this route cannot be split safely, in words; empty where it can."""
        found = []
        for rule in self.form.rules(route):
            names, counts = self._names(route, rule), self.form.counts(rule.entries)
            ours = [count for name, count in zip(names, counts, strict=True) if name == service]
            if len(ours) > 1:
                found.append(f"{rule.where} names the Service {service} {len(ours)} times")
            if ours and not any(ours):
                found.append(f"{rule.where} gives the Service {service} a weight of 0: its traffic was moved away")
        return [*found, *self.form.told(route), *self.form.crooked(route, service, around)]

    def shares(self, route: Object, around: Around = NOTHING) -> list[dict[str, float]]:  # noqa: ARG002 - of the port
        """For each rule the percent of its requests per backend; those that get none are left out."""
        return [percent(self._names(route, each), self.form.counts(each.entries)) for each in self.form.rules(route)]

    def pinned(self, route: Object, service: str) -> list[str]:
        """Rules for requests with a certain header or cookie that go to the backend."""
        rules = [rule for rule in self.form.rules(route) if rule.pinned]
        return [rule.where for rule in rules if service in self._names(route, rule)]

    def carrier(self, route: Object, pairs: Sequence[Backends], around: Around) -> Object | None:  # noqa: ARG002 - of the port
        """No other object carries the weights."""
        return None

    def share(self, route: Object, pairs: Sequence[Backends]) -> Weight | None:
        """The share that the object gives the canaries now, over the rules that name either backend; None where none
        does or where they disagree.
        """
        found = {self._share(route, rule, pair) for rule in self.form.rules(route) for pair in pairs} - {None}
        return Weight(float(found.pop() or 0) * 100) if len(found) == 1 else None

    def converged(self, route: Object) -> bool | None:
        """Whether those who carry the route out have accepted it; None where nobody says."""
        return self.form.converged(route)

    def values(self, route: Object, *, pinned: bool = True) -> dict[Path, Any]:
        rules = (rule for rule in self.form.rules(route) if pinned or not rule.pinned)
        return {rule.path: dig(route, *rule.path) for rule in rules}

    def wanted(self, captured: RouteCapture, pairs: Sequence[Backends], weight: Weight) -> Values:
        route, found = restored(captured), captured_values(captured)
        for rule in self.form.rules(route):
            if rule.path in found:
                found[rule.path] = self.form.hold(found[rule.path], self._split(route, rule, pairs, weight))
        return found

    def bare(self, path: Path, value: Any) -> Any:  # noqa: ARG002 - all values of a format look alike
        return self.form.bare(value)

    def said(self, route: Object) -> str:
        return "; ".join(
            _words(self._names(route, each), self.form.counts(each.entries)) for each in self.form.rules(route)
        )

    def _names(self, route: Object, rule: Rule, namespace: str = "") -> list[str]:
        """Of each entry the backend's name, "" where it is of another namespace or no Service."""
        own = namespace_of(route)
        places = [self.form.backend(entry, own) for entry in rule.entries]
        return [name if where == (namespace or own) else "" for where, name in places]

    def _share(self, route: Object, rule: Rule, pair: Backends) -> Fraction | None:
        counts = list(zip(self._names(route, rule), self.form.counts(rule.entries), strict=True))
        canary, stable = (sum(count for name, count in counts if name == one) for one in (pair.canary, pair.stable))
        return Fraction(canary, canary + stable) if canary + stable else None

    def _split(self, route: Object, rule: Rule, pairs: Sequence[Backends], weight: Weight) -> list[Entry]:
        """The rule's entries with what each pair has together divided; every other one keeps its share of the whole.

        A canary that the rule names already keeps its own entry (port, filters); a new one is made like the stable one.
        """
        entries, shares = deepcopy(rule.entries), [count * 100 for count in self.form.counts(rule.entries)]
        at = {name: index for index, name in enumerate(self._names(route, rule)) if name}
        silent = {index for index, share in enumerate(shares) if not share} - set(at.values())  # mirrors
        present = [pair for pair in pairs if pair.stable in at]
        if not present:
            return entries
        for pair in present:
            if pair.canary not in at:
                at[pair.canary] = len(entries)
                entries.append(self.form.pointed(deepcopy(entries[at[pair.stable]]), pair.canary))
                shares.append(Fraction(0))
            _divide(shares, at[pair.stable], at[pair.canary], weight)
        if self.form.hundred or (len(present) == 1 and len(entries) == 2):
            shares = _percentages(shares)
        for index, value in enumerate(whole_numbers(shares, self.form.most)):
            if index not in silent:
                entries[index][self.form.weight] = value
        return entries


def all_pinned(matches: Sequence[Any], pins: Callable[[Any], bool]) -> bool:
    """Whether each of a rule's alternative matches asks for a header or cookie."""
    return bool(matches) and all(map(pins, matches))


def stated(unstated: int, weight: str = "weight") -> Callable[[Sequence[Entry]], list[Fraction]]:
    """Every entry counts what it states, else that much."""
    return lambda entries: [Fraction(number(entry.get(weight), unstated)) for entry in entries]


def stated_or_alone(entries: Sequence[Entry]) -> list[Fraction]:
    """An entry that states nothing counts nothing, unless it is alone."""
    return stated(100 if len(entries) == 1 else 0)(entries)


def number(value: Any, unstated: int) -> int:
    """A stated whole number that is not negative, else the one for what states none."""
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if usable else unstated


def whole_numbers(weights: Sequence[Fraction], most: int) -> list[int]:
    """The same ratios in whole numbers, none above `most`; what has a share keeps at least 1."""
    scale = lcm(*(weight.denominator for weight in weights))
    found = [int(weight * scale) for weight in weights]
    if max(found, default=0) <= most:
        return found
    shrink = Fraction(most, max(found))
    return [max(1, round(value * shrink)) if value else 0 for value in found]


def percent(names: Sequence[str], counts: Sequence[Fraction]) -> dict[str, float]:
    """Percent of the requests per backend; "" stands for all that are no Services of the namespace."""
    found: dict[str, Fraction] = {}
    for name, count in zip(names, counts, strict=True):
        if count:
            found[name] = found.get(name, Fraction(0)) + count
    whole = sum(found.values())
    return {name: float(100 * count / whole) for name, count in found.items()}


def _divide(shares: list[Fraction], stable: int, canary: int, weight: Weight) -> None:
    whole = shares[stable] + shares[canary]
    shares[canary] = whole * Fraction(str(weight.canary)) / 100
    shares[stable] = whole - shares[canary]


def _percentages(shares: list[Fraction]) -> list[Fraction]:
    """The same ratio out of 100: what people expect to read where nobody else has a share."""
    whole = sum(shares)
    return [value * 100 / whole for value in shares] if whole else shares


def _words(names: Sequence[str], counts: Sequence[Fraction]) -> str:
    return ", ".join(f"{name or '?'} {float(count):g}" for name, count in zip(names, counts, strict=True)) or "nothing"
