"""The Gateway API: a canary Service without traffic beside each Service, and HTTPRoutes that give it none."""

from __future__ import annotations

from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.core.splits import GATEWAY_API, Rule, rules
from krm_fn.function import Call
from krm_fn.injectors.made import beside, create, report_place
from krm_fn.items import Item
from krm_fn.pods import Workload


def split(call: Call, service: Item, workload: Workload, traffic: dict[str, Any]) -> None:
    """100 to the Service, 0 to its canary. Routes of the build that send requests to the Service alone get a second
    backend; where there is none, a route is made.
    """
    if not _canary(call, service, workload, traffic["canary"]):
        return
    name = f"{service.name}-canary"
    routes = [
        (item, rule)
        for item in call.items
        if item.gvk.group == GATEWAY_API and item.namespace == service.namespace
        for rule in rules(item.data)
        if any(each.local and each.host == service.name for each in rule.destinations)
    ]
    for item, rule in routes:
        if len(rule.destinations) == 1:
            _extend(call, item, rule, name)
    if not routes:
        create(call, _route(service, name, traffic), service)


def _canary(call: Call, service: Item, workload: Workload, labels: dict[str, str]) -> bool:
    """Make the canary Service; False where it could take pods that serve."""
    name = f"{service.name}-canary"
    if call.items.find("Service", name, service.namespace):
        return True
    if all(workload.labels.get(key) == value for key, value in labels.items()):
        call.report(
            "KRM-004",
            Severity.ERROR,
            f"The pods of {workload.item} carry the labels of a canary already: Service/{name} would take all of them.",
            item=workload.item,
            path=(*workload.path, "metadata", "labels"),
            remediation="Name labels in spec.canary.traffic.canary that only a canary's pods carry.",
        )
        return False
    spec = {
        "selector": {**mapping(service.data, "spec", "selector"), **labels},
        "ports": [_port(each) for each in sequence(service.data, "spec", "ports")],
    }
    return create(call, beside(service, {"apiVersion": "v1", "kind": "Service"}, name, spec), service)


def _port(port: Object) -> Object:
    """The same port without what the node gives to one Service alone."""
    return {key: value for key, value in port.items() if key != "nodePort"}


def _extend(call: Call, item: Item, rule: Rule, name: str) -> None:
    entry = item.get(*rule.path, 0)
    kept = {key: value for key, value in entry.items() if key in ("group", "kind", "name", "port")}
    second = {**kept, "name": name, "weight": 0}
    with report_place(call, item, rule.path):
        item.set((*rule.path, 0, "weight"), entry.get("weight") or 100)
        item.append(rule.path, second)


def _route(service: Item, canary: str, traffic: dict[str, Any]) -> Object:
    ports = [dig(each, "port") for each in sequence(service.data, "spec", "ports")]
    gateway = traffic.get("gateway")
    parent = (
        {key: value for key, value in gateway.items() if value}
        if gateway
        else {"group": "", "kind": "Service", "name": service.name}
    )
    backends = [
        {"name": name, "port": ports[0], "weight": weight} for name, weight in ((service.name, 100), (canary, 0))
    ]
    spec: Object = {"parentRefs": [parent], "rules": [{"backendRefs": backends}]}
    if traffic["hostnames"]:
        spec["hostnames"] = list(traffic["hostnames"])
    return beside(service, {"apiVersion": f"{GATEWAY_API}/v1", "kind": "HTTPRoute"}, service.name, spec)
