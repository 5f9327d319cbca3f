"""How the rules of a route share traffic: their destinations, with the weights that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, gvk_of, mapping, sequence

GATEWAY_API, ISTIO = "gateway.networking.k8s.io", "networking.istio.io"
_GATEWAY_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")
_ISTIO_LISTS = ("http", "tls", "tcp")

LEAST, MOST = 30.0, 70.0
"""Percent: a canary step leaves this range out; a share within it is a split that nobody watches."""

Path = tuple[str | int, ...]


class Destination(NamedTuple):
    """Where a rule sends requests. host: a Service's name, or a host name of Istio. weight: what the object states,
    None where it states nothing. local: a Service, in the namespace of the route unless `namespace` says another one.
    """

    host: str
    subset: str
    namespace: str
    weight: Any
    local: bool

    @property
    def name(self) -> str:
        return f"{self.host} (subset {self.subset})" if self.subset else self.host


class Rule(NamedTuple):
    """One rule. path: where its list of destinations stands. istio: a weight that is not stated is 0, else it is 1."""

    path: Path
    destinations: tuple[Destination, ...]
    istio: bool

    @property
    def weights(self) -> list[float]:
        """What each destination counts; what is no usable number counts nothing."""
        alone = len(self.destinations) == 1
        unstated = 0.0 if self.istio and not alone else 1.0
        return [unstated if each.weight is None else _usable(each.weight) for each in self.destinations]

    @property
    def shares(self) -> dict[str, float]:
        """Percent of the requests per destination; empty unless two or more get some."""
        found: dict[str, float] = {}
        for each, weight in zip(self.destinations, self.weights, strict=True):
            if weight > 0 and each.host:
                found[each.name] = found.get(each.name, 0.0) + weight
        total = sum(found.values())
        return {name: 100 * weight / total for name, weight in found.items()} if len(found) > 1 else {}

    @property
    def even(self) -> bool:
        """Whether about half of the users meet each of two versions."""
        return any(LEAST <= share <= MOST for share in self.shares.values())


def rules(obj: Mapping[str, Any]) -> Iterator[Rule]:
    """The rules of a route of the Gateway API or a VirtualService that name destinations; nothing for other kinds."""
    gvk = gvk_of(obj)
    if gvk.group == GATEWAY_API and gvk.kind in _GATEWAY_ROUTES:
        for index, rule in enumerate(sequence(obj, "spec", "rules")):
            found = tuple(map(_backend, sequence(rule, "backendRefs")))
            if found:
                yield Rule(("spec", "rules", index, "backendRefs"), found, istio=False)
    elif gvk.group == ISTIO and gvk.kind == "VirtualService":
        for protocol in _ISTIO_LISTS:
            for index, rule in enumerate(sequence(obj, "spec", protocol)):
                found = tuple(map(_istio, sequence(rule, "route")))
                if found:
                    yield Rule(("spec", protocol, index, "route"), found, istio=True)


def words(shares: Mapping[str, float]) -> str:
    """For people: "api 50 %, api-canary 50 %"."""
    return ", ".join(f"{name} {share:.0f} %" for name, share in shares.items())


def _backend(entry: Any) -> Destination:
    body: Object = entry if isinstance(entry, dict) else {}
    service = (body.get("group") or "", body.get("kind") or "Service") == ("", "Service")
    return Destination(
        str(body.get("name") or ""), "", str(body.get("namespace") or ""), body.get("weight"), local=service
    )


def _istio(entry: Any) -> Destination:
    """A host of one label is a Service beside the route; "api.shop", "api.shop.svc.cluster.local" name a namespace."""
    target = mapping(entry, "destination")
    labels = str(target.get("host") or "").split(".")
    service = len(labels) in (1, 2) or labels[2:3] == ["svc"]
    return Destination(
        labels[0] if service else ".".join(labels),
        str(target.get("subset") or ""),
        labels[1] if service and len(labels) > 1 else "",
        dig(entry, "weight"),
        local=service,
    )


def _usable(weight: Any) -> float:
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    return float(weight) if number and 0 <= weight < 10**9 else 0.0
