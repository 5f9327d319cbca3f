"""ingress-nginx: a second Ingress with the same hosts and paths, whose annotations say which share it gets.

The share of a canary Ingress is `canary-weight` out of `canary-weight-total` (100 where that is not stated). A main
Ingress has at most one canary Ingress a path. For a standby one is made; one that is there already can be weighed, but
no second one can stand beside it. The main Ingress stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from fractions import Fraction
from typing import Any

from helm_safe.core.objects import Object, annotations_of, dig, mapping, name_of, namespace_of, sequence
from helm_safe.model.routes import NOTHING, Around, Backends, RouteCapture, Weight
from helm_safe.routers.ingresses import INGRESS, INGRESS_CLASS, class_of, of_controller
from helm_safe.routers.patches import PatchingRouter, Path, Values, captured_values

PREFIX = "nginx.ingress.kubernetes.io/"
CANARY = PREFIX + "canary"
WEIGHT: Path = ("metadata", "annotations", CANARY + "-weight")
TOTAL: Path = ("metadata", "annotations", CANARY + "-weight-total")
HUNDRED = 100
SUFFIX = "-standby"
Spot = tuple[str, str]  # host and path


class IngressNginxRouter(PatchingRouter):
    """helm_safe.ports.TrafficRouter for ingress-nginx and for those that read its annotations."""

    name = "ingress-nginx"
    kind = INGRESS
    needs = (INGRESS_CLASS,)
    least = 100 / 1_000_000

    def mine(self, route: Object, around: Around) -> bool:
        return _MINE(route, around)

    def services(self, route: Object, around: Around = NOTHING, namespace: str = "") -> set[str]:
        """A canary Ingress answers for its paths: their users are moved by its weight."""
        if namespace and namespace != namespace_of(route):
            return set()
        spots = _spots(route)
        if _is_canary(route):
            return set(spots.values()) | set(_mains(route, around).values())
        taken = {spot for other in _canaries(around, route) for spot in _spots(other)}
        return {name for spot, name in spots.items() if spot not in taken}

    def beside(self, route: Object, service: str, around: Around = NOTHING) -> set[str]:
        if not _is_canary(route):
            return set()
        spots, mains = _spots(route), _mains(route, around)
        facing = {spots[spot] for spot, name in mains.items() if name == service}
        facing |= {mains[spot] for spot, name in spots.items() if name == service and spot in mains}
        return facing - {service} if len(facing) == 1 else set()

    def problems(self, route: Object, service: str, around: Around = NOTHING) -> list[str]:
        if _is_canary(route):
            return [
                "it is a canary Ingress that was there before, and only one can be; finish it, or delete what is left"
            ]
        found = []
        if dig(route, "spec", "defaultBackend", "service", "name") == service:
            found.append("its defaultBackend has no path that a canary Ingress could share")
        if any(service in _spots(other).values() for other in _canaries(around, route)):
            found.append(f"Service {service} is the backend of a canary Ingress as well")
        return found

    def shares(self, route: Object, around: Around = NOTHING) -> list[dict[str, float]]:
        """Of a canary Ingress: its own share, and the main one's."""
        mains, share = _mains(route, around), self.share(route, ())
        if not _is_canary(route) or share is None:
            return [{name: 100.0} for name in _spots(route).values()]
        rows = [((mains.get(spot, ""), share.stable), (name, share.canary)) for spot, name in _spots(route).items()]
        return [{name: part for name, part in row if part} for row in rows]

    def carrier(self, route: Object, pairs: Sequence[Backends], around: Around) -> Object | None:  # noqa: ARG002 - of the port
        """The canary Ingress that shares these Services' paths with the standby, without any share yet."""
        canaries = {pair.stable: pair.canary for pair in pairs}
        rules = [rule for each in sequence(route, "spec", "rules") if (rule := _narrowed(each, canaries))]
        kept = {key: value for key, value in annotations_of(route).items() if key.startswith(PREFIX)}
        if class_of(route) and not dig(route, "spec", "ingressClassName"):
            kept["kubernetes.io/ingress.class"] = class_of(route)
        spec = {key: deepcopy(dig(route, "spec", key)) for key in ("ingressClassName", "tls")}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": f"{name_of(route)}{SUFFIX}",
                "namespace": namespace_of(route),
                "annotations": {**kept, CANARY: "true", str(WEIGHT[2]): "0"},
            },
            "spec": {**{key: value for key, value in spec.items() if value}, "rules": rules},
        }

    def pinned(self, route: Object, service: str) -> list[str]:  # noqa: ARG002 - of the port
        return []

    def values(self, route: Object, *, pinned: bool = True) -> dict[Path, Any]:  # noqa: ARG002 - of the port
        return {path: dig(route, *path) for path in (WEIGHT, TOTAL)}

    def wanted(self, captured: RouteCapture, pairs: Sequence[Backends], weight: Weight) -> Values:  # noqa: ARG002
        """The total grows where the share is no whole part of it."""
        before = captured_values(captured)
        total = _number(before[TOTAL]) or HUNDRED
        part = Fraction(str(weight.canary)) * total / 100
        if part.denominator == 1:
            return {WEIGHT: str(part), TOTAL: before[TOTAL]}
        return {WEIGHT: str(part.numerator), TOTAL: str(total * part.denominator)}

    def share(self, route: Object, pairs: Sequence[Backends]) -> Weight | None:  # noqa: ARG002 - it has one weight
        weight, total = (_number(dig(route, *path)) for path in (WEIGHT, TOTAL))
        return Weight(100 * min(weight or 0, total or HUNDRED) / (total or HUNDRED)) if _is_canary(route) else None

    def converged(self, route: Object) -> bool | None:  # noqa: ARG002 - of the port
        return None

    def said(self, route: Object) -> str:
        return f"canary-weight {dig(route, *WEIGHT)} of {dig(route, *TOTAL) or HUNDRED}"


_MINE = of_controller("k8s.io/ingress-nginx", "nginx", PREFIX)
ROUTER = IngressNginxRouter()


def _is_canary(ingress: Object) -> bool:
    return annotations_of(ingress).get(CANARY) == "true"


def _spots(ingress: Object) -> dict[Spot, str]:
    """The Service at each host and path; the default backend stands at ("", "")."""
    found: dict[Spot, str] = {}
    default = dig(ingress, "spec", "defaultBackend", "service", "name")
    if default:
        found["", ""] = str(default)
    for rule in sequence(ingress, "spec", "rules"):
        for path in sequence(rule, "http", "paths"):
            name = dig(path, "backend", "service", "name")
            if name:
                found[str(dig(rule, "host") or ""), str(dig(path, "path") or "/")] = str(name)
    return found


def _others(around: Around, route: Object) -> Iterator[Object]:
    """Ingresses of the same gateway and namespace."""
    for other in around.of_kind(*INGRESS):
        if namespace_of(other) == namespace_of(route) and name_of(other) != name_of(route) and _MINE(other, around):
            yield other


def _canaries(around: Around, route: Object) -> Iterator[Object]:
    return (other for other in _others(around, route) if _is_canary(other))


def _mains(route: Object, around: Around) -> dict[Spot, str]:
    """The Service of the main Ingress at each spot of a canary one."""
    spots = _spots(route)
    mains = [other for other in _others(around, route) if not _is_canary(other)]
    return {spot: name for other in mains for spot, name in _spots(other).items() if spot in spots}


def _narrowed(rule: Any, canaries: dict[str, str]) -> dict[str, Any] | None:
    """The rule's paths to those Services, each pointing to the standby's; None where it has none."""
    paths = []
    for path in sequence(rule, "http", "paths"):
        name = str(dig(path, "backend", "service", "name") or "")
        if name in canaries:
            made = deepcopy(path)
            made["backend"]["service"]["name"] = canaries[name]
            paths.append(made)
    return {**mapping(rule), "http": {"paths": paths}} if paths else None


def _number(value: Any) -> int:
    return int(value) if str(value).isdecimal() else 0
