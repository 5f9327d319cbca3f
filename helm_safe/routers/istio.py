"""Istio VirtualService: the weights of `spec.http[].route[]`, `spec.tls[].route[]` and `spec.tcp[].route[]`.

A destination is a Service, or a subset of its pods that a DestinationRule tells by labels. Weights are relative and are
kept at a sum of 100, which older Istio demands; all of them 0 is refused. A delegate is a VirtualService of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from helm_safe.core.objects import Object, ObjectRef, dig, mapping, name_of, namespace_of, sequence
from helm_safe.model.routes import Around, service_of, subset_of
from helm_safe.model.subsets import DESTINATION_RULE, GROUP, host_of, labels_of_subset, pods_of
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, all_pinned, stated_or_alone

KIND = (GROUP, "VirtualService")
GATEWAY = (GROUP, "Gateway")
POD, SERVICE = ("", "Pod"), ("", "Service")
PROTOCOLS = ("http", "tls", "tcp")
EVERY_SIDECAR = "mesh"


def _rules(route: Object) -> Iterator[Rule]:
    for protocol in PROTOCOLS:
        for index, rule in enumerate(sequence(route, "spec", protocol)):
            if sequence(rule, "route"):
                where = f"{protocol} rule {dig(rule, 'name') or index}"
                pinned = all_pinned(sequence(rule, "match"), lambda match: bool(mapping(match, "headers")))
                yield Rule(("spec", protocol, index, "route"), where, list(map(mapping, rule["route"])), pinned)


def _backend(entry: Entry, own: str) -> Place:
    target = mapping(entry, "destination")
    found = host_of(str(target.get("host") or ""), own)
    if found is None:
        return NOWHERE
    namespace, name = found
    return namespace, f"{name}/{target['subset']}" if target.get("subset") else name


def _pointed(entry: Entry, backend: str) -> Entry:
    """The host keeps its form, short or whole; a subset goes where the other backend has none."""
    made = deepcopy(entry)
    target = made["destination"]
    target["host"] = ".".join([service_of(backend), *str(target["host"]).split(".")[1:]])
    target.pop("subset", None)
    if subset_of(backend):
        target["subset"] = subset_of(backend)
    return made


def _crooked(route: Object, service: str, around: Around) -> Iterator[str]:
    yield from _unserved(route, around)
    yield from _looped(route, around)
    for rule in _rules(route):
        names = [name for where, name in (_backend(each, namespace_of(route)) for each in rule.entries) if name]
        if service in names:
            for name in names:
                yield from _unknown_subset(namespace_of(route), name, around)


def _unserved(route: Object, around: Around) -> Iterator[str]:
    """Gateways that do not exist, where no gateway is left that does and the mesh is none of them."""
    named = [str(each) for each in sequence(route, "spec", "gateways")]
    missing = [each for each in named if each != EVERY_SIDECAR and around.lacks(_gateway(each, namespace_of(route)))]
    if missing and len(missing) == len(named):
        yield f"it is bound to {', '.join(f'Gateway {each}' for each in missing)}, which does not exist"


def _gateway(name: str, own: str) -> ObjectRef:
    namespace, slash, bare = name.partition("/")
    return ObjectRef(*GATEWAY, namespace if slash else own, bare if slash else name)


def _looped(route: Object, around: Around) -> Iterator[str]:
    """Delegates that come back to the VirtualService that they begin at."""
    start, seen = (namespace_of(route), name_of(route)), set[tuple[str, str]]()
    waiting = list(_delegates(route))
    while waiting:
        at = waiting.pop()
        if at == start:
            yield "its delegates lead back to itself"
            return
        if at not in seen:
            seen.add(at)
            waiting.extend(_delegates(around.objects.get(ObjectRef(*KIND, *at), {})))


def _delegates(route: Object) -> Iterator[tuple[str, str]]:
    for rule in sequence(route, "spec", "http"):
        delegate = mapping(rule, "delegate")
        if delegate.get("name"):
            yield str(delegate.get("namespace") or namespace_of(route)), str(delegate["name"])


def _unknown_subset(namespace: str, backend: str, around: Around) -> Iterator[str]:
    service, subset = service_of(backend), subset_of(backend)
    if not subset or DESTINATION_RULE not in around.listed:
        return
    if labels_of_subset(around, namespace, backend) is None:
        yield f"no DestinationRule tells which pods of Service {service} are subset {subset}"
    elif POD in around.listed and SERVICE in around.listed and not pods_of(around, namespace, backend):
        yield f"subset {subset} of Service {service} has no pods"


ROUTER = WeightedRouter(
    Format(
        "istio",
        KIND,
        rules=_rules,
        backend=_backend,
        pointed=_pointed,
        counts=stated_or_alone,
        most=1_000_000,
        hundred=True,
        crooked=_crooked,
        needs=(DESTINATION_RULE, GATEWAY),
    )
)
