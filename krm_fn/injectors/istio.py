"""Istio: subsets for the pods that serve and for a canary, and VirtualServices that give the canary nothing."""

from __future__ import annotations

from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.splits import ISTIO, Rule, rules
from krm_fn.function import Call
from krm_fn.injectors.made import beside, create, report_place
from krm_fn.items import Item
from krm_fn.pods import Workload

STABLE, CANARY = "stable", "canary"


def split(call: Call, service: Item, workload: Workload, traffic: dict[str, Any]) -> None:
    """100 to the subset stable, 0 to the subset canary. VirtualServices of the build that send requests to the Service
    without a subset are given both; where there is none, one is made.
    """
    if not _subsets(call, service, workload, traffic):
        return
    found = [
        (item, rule)
        for item in call.items.of("VirtualService", ISTIO)
        if item.namespace == service.namespace
        for rule in rules(item.data)
        if any(each.host == service.name for each in rule.destinations)
    ]
    for item, rule in found:
        if len(rule.destinations) == 1 and not rule.destinations[0].subset:
            _extend(call, item, rule)
    if not found:
        route = [_to(service.name, STABLE, 100), _to(service.name, CANARY, 0)]
        spec = {"hosts": [service.name], "http": [{"route": route}]}
        create(
            call, beside(service, {"apiVersion": f"{ISTIO}/v1", "kind": "VirtualService"}, service.name, spec), service
        )


def _subsets(call: Call, service: Item, workload: Workload, traffic: dict[str, Any]) -> bool:
    """Whether the subsets are there or could be made: one that no pod matches would leave users with errors."""
    stable, canary = traffic["stable"], traffic["canary"]
    rule = next((each for each in call.items.of("DestinationRule", ISTIO) if _is_of(each, service)), None)
    if rule is not None:
        names = {dig(each, "name") for each in sequence(rule.data, "spec", "subsets")}
        if {STABLE, CANARY} <= names:
            return True
        _tell(call, rule, f"{rule} has no subsets {STABLE} and {CANARY}", "Add them, or name another Service.")
        return False
    if not stable or not _carries(workload, stable):
        what = f"the labels {_words(stable)}" if stable else "labels that tell them from a canary's"
        _tell(
            call,
            workload.item,
            f"the pods of {workload.item} do not carry {what}",
            "Name labels in spec.canary.traffic.stable that they carry and a canary's pods do not.",
        )
        return False
    if _carries(workload, canary):
        _tell(call, workload.item, f"the pods of {workload.item} carry the labels of a canary", "Correct the labels.")
        return False
    spec = {
        "host": service.name,
        "subsets": [{"name": STABLE, "labels": dict(stable)}, {"name": CANARY, "labels": dict(canary)}],
    }
    made = beside(service, {"apiVersion": f"{ISTIO}/v1", "kind": "DestinationRule"}, service.name, spec)
    return create(call, made, service)


def _is_of(rule: Item, service: Item) -> bool:
    host = str(rule.get("spec", "host") or "")
    return rule.namespace == service.namespace and host.split(".", 1)[0] == service.name


def _carries(workload: Workload, labels: dict[str, str]) -> bool:
    return all(workload.labels.get(key) == value for key, value in labels.items())


def _tell(call: Call, item: Item, why: str, remedy: str) -> None:
    message = f"No traffic is split for it: {why}, so that users would meet no pod."
    call.report("KRM-004", Severity.ERROR, message, item=item, remediation=remedy)


def _words(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def _to(host: str, subset: str, weight: int) -> Object:
    return {"destination": {"host": host, "subset": subset}, "weight": weight}


def _extend(call: Call, item: Item, rule: Rule) -> None:
    target = item.get(*rule.path, 0, "destination")
    second = {"destination": {**target, "subset": CANARY}, "weight": 0}
    with report_place(call, item, rule.path):
        item.set((*rule.path, 0, "destination", "subset"), STABLE)
        item.set((*rule.path, 0, "weight"), 100)
        item.append(rule.path, second)
