"""A PodDisruptionBudget for workloads of several pods, so that a drained node takes one of them at a time."""

from __future__ import annotations

from typing import Any

from helm_safe.core.objects import dig, label_selector_matches, mapping
from helm_safe.core.workloads import declared_replicas, workload_of
from helm_safe.core.yamledit import without_places
from krm_fn.function import Call
from krm_fn.injectors.made import beside, create
from krm_fn.items import Items
from krm_fn.pods import Workload

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "maxUnavailable": {
            "type": ["integer", "string"],
            "default": 1,
            "minimum": 1,
            "minLength": 2,
            "description": "Pods that may be away at the same time, or a share such as 25%.",
        },
    },
}


def inject(call: Call, workloads: list[Workload], settings: dict[str, Any]) -> None:
    """Make a budget where none selects the pods. A budget for a single pod would stop every drain: none is made."""
    for workload in workloads:
        row = workload_of(workload.item.data)
        selector = mapping(workload.item.data, *row.selector) if row and row.selector else {}
        if row is None or not row.replicas or not selector or row.kind == "DeploymentConfig":
            continue
        if _least(call.items, workload) > 1 and not _covered(call.items, workload):
            spec = {
                "maxUnavailable": settings["maxUnavailable"],
                "selector": without_places(selector),
                "unhealthyPodEvictionPolicy": "AlwaysAllow",  # a pod that is broken anyway stops no drain
            }
            kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
            create(call, beside(workload.item, kind, workload.item.name, spec), workload.item)


def _least(items: Items, workload: Workload) -> int:
    """How many pods it has at least: its autoscaler's minimum, else its replicas; 1 where nothing says."""
    for scaler in items.of("HorizontalPodAutoscaler", "autoscaling"):
        target = scaler.get("spec", "scaleTargetRef")
        if (dig(target, "kind"), dig(target, "name")) == (workload.item.kind, workload.item.name):
            least = scaler.get("spec", "minReplicas")
            return least if isinstance(least, int) else 1
    return declared_replicas(workload.item.data) or 1


def _covered(items: Items, workload: Workload) -> bool:
    for budget in items.of("PodDisruptionBudget", "policy"):
        selector = budget.get("spec", "selector")
        same = budget.namespace == workload.item.namespace
        if same and label_selector_matches(mapping(selector), workload.labels):
            return True
    return False
