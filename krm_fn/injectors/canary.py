"""Canary defaults: the annotations that a guarded rollback reads, and on request the objects that split traffic."""

from __future__ import annotations

import importlib
from typing import Any

from helm_safe.core.annotations import PREFIX
from helm_safe.core.objects import dig
from helm_safe.core.written import ANNOTATED
from krm_fn.errors import UsageError
from krm_fn.function import Call
from krm_fn.injectors import splits
from krm_fn.injectors.made import add
from krm_fn.items import Item
from krm_fn.pods import Workload
from krm_fn.selection import OBJECTS, selects_item

APIS = {"gateway": "krm_fn.injectors.gateway", "istio": "krm_fn.injectors.istio"}
"""Value of `traffic.api` -> the module that makes its objects."""

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_TRAFFIC: dict[str, Any] = {
    "type": "object",
    "required": ["api"],
    "description": "Make what splits the traffic of Services: all of it to who serves now, none to the canary.",
    "properties": {
        "api": {"type": "string", "enum": list(APIS), "description": "HTTPRoutes, or VirtualServices of Istio."},
        "services": {
            **OBJECTS,
            "default": {},
            "description": "Only these Services; absent: all in front of workloads.",
        },
        "gateway": {
            "type": "object",
            "required": ["name"],
            "description": "Where new HTTPRoutes are attached; absent: to the Service, as meshes want it.",
            "properties": {"name": {"type": "string", "minLength": 1}, "namespace": {"type": "string", "default": ""}},
        },
        "hostnames": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": []},
        "stable": {
            **_LABELS,
            "default": {},
            "description": "Labels of the pods that serve (Istio: the stable subset).",
        },
        "canary": {
            **_LABELS,
            "default": {f"{PREFIX}track": "canary"},
            "description": "Labels that tell the pods of a canary from the others.",
        },
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "annotations": {
            "type": "object",
            "default": {},
            "description": "What a rollback of these workloads shall do, written as helm-safe.dev/NAME.",
            "properties": {name: {"type": ["string", "integer", "number"]} for name in ANNOTATED},
        },
        "evenSplits": {
            "type": "string",
            "enum": ["refuse", "correct", "allow"],
            "default": "refuse",
            "description": "A route that gives about half of the users to each of two versions.",
        },
        "stable": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "default": [],
            "description": "For `correct`: the Services or subsets (patterns allowed) that keep all users.",
        },
        "traffic": _TRAFFIC,
    },
}


def inject(call: Call, workloads: list[Workload], settings: dict[str, Any]) -> None:
    """Add annotations and objects. Raises UsageError for an annotation that no run could read."""
    texts = {name: _text(name, value) for name, value in settings["annotations"].items()}
    for workload in workloads:
        for name, text in texts.items():
            add(call, workload.item, ("metadata", "annotations", PREFIX + name), text)
    splits.settle(call, settings["evenSplits"], settings["stable"])
    if "traffic" in settings:
        traffic = settings["traffic"]
        module = importlib.import_module(APIS[traffic["api"]])
        for service, workload in _services(call, workloads, traffic["services"]):
            module.split(call, service, workload, traffic)


def _text(name: str, value: Any) -> str:
    text = str(value)
    try:
        ANNOTATED[name](text)
    except ValueError as error:
        raise UsageError(f"spec.canary.annotations.{name}: {text!r}: {error}") from None
    return text


def _services(call: Call, workloads: list[Workload], chosen: dict[str, Any]) -> list[tuple[Item, Workload]]:
    """The Services that balance requests over a workload, each once, with that workload."""
    found: dict[int, tuple[Item, Workload]] = {}
    for workload in workloads:
        bodies = {id(each) for each in workload.services}
        for service in call.items.of("Service", ""):
            headless = dig(service.data, "spec", "clusterIP") == "None"
            if id(service.data) in bodies and not headless and selects_item(chosen, service):
                found.setdefault(service.index, (service, workload))
    return list(found.values())
