"""How a rollout goes: a pod must stay ready for a while, a slow start is no failure, and no pod is lost on the way."""

from __future__ import annotations

from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.core.probes import STARTUP, probe
from krm_fn.function import Call
from krm_fn.injectors.made import add
from krm_fn.pods import Workload

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "minReadySeconds": {
            "type": "integer",
            "default": 10,
            "minimum": 0,
            "description": "A pod that ends after a few seconds must not count as available; 0: leave it.",
        },
        "progressDeadline": {
            "type": "boolean",
            "default": True,
            "description": "progressDeadlineSeconds that covers the startup budget, where ten minutes do not.",
        },
        "surge": {
            "type": "boolean",
            "default": True,
            "description": "maxUnavailable: 0 with maxSurge: 25%, where a pod more can be scheduled.",
        },
    },
}

DEADLINE = 600
"""Seconds: Kubernetes' default of progressDeadlineSeconds."""
MARGIN = 120
"""Seconds for pulling an image and being scheduled, on top of the startup budget."""
_WAITING = {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("argoproj.io", "Rollout")}
_HURRYING = {("apps", "Deployment"), ("argoproj.io", "Rollout")}


def inject(call: Call, workloads: list[Workload], settings: dict[str, Any]) -> None:
    """Add what is absent. Kinds without such fields are left alone."""
    seconds = settings["minReadySeconds"]
    for workload in workloads:
        kind = (workload.item.gvk.group, workload.item.kind)
        if kind in _WAITING and seconds:
            add(call, workload.item, ("spec", "minReadySeconds"), seconds)
        if kind in _HURRYING and settings["progressDeadline"]:
            _deadline(call, workload)
        if kind == ("apps", "Deployment") and settings["surge"]:
            _surge(call, workload)


def startup_budget(workload: Workload) -> float:
    """Seconds that the slowest container may take to start by its startup probe; 0 without one."""
    probes = (probe(container, STARTUP) for _, container in workload.containers)
    return max((each.budget for each in probes if each), default=0.0)


def _deadline(call: Call, workload: Workload) -> None:
    settle = workload.item.get("spec", "minReadySeconds")
    needed = startup_budget(workload) + (settle if isinstance(settle, int) else 0) + MARGIN
    stated = workload.item.get("spec", "progressDeadlineSeconds")
    if stated is None and needed > DEADLINE:
        add(call, workload.item, ("spec", "progressDeadlineSeconds"), round(needed))
    elif isinstance(stated, int) and stated < needed - MARGIN:
        call.report(
            "PROBE-004",
            Severity.WARNING,
            f"progressDeadlineSeconds ({stated} s) is over before a slow start may be ({needed - MARGIN:.0f} s): it"
            " counts as a failed rollout.",
            item=workload.item,
            path=("spec", "progressDeadlineSeconds"),
            remediation=f"Set it to {needed:.0f} or more.",
        )


def _surge(call: Call, workload: Workload) -> None:
    """One pod more while pods are replaced. Where it may have to wait for the old one's port or volume, it would wait
    for ever.
    """
    if not _may_double(workload):
        return
    strategy = mapping(workload.item.data, "spec", "strategy")
    rolling = mapping(strategy, "rollingUpdate")
    if strategy.get("type") not in (None, "RollingUpdate") or "maxUnavailable" in rolling:
        return
    if rolling.get("maxSurge") in (0, "0%", "0"):
        return
    place = ("spec", "strategy")
    if "type" not in strategy:
        add(call, workload.item, (*place, "type"), "RollingUpdate")
    if "maxSurge" not in rolling:
        add(call, workload.item, (*place, "rollingUpdate", "maxSurge"), "25%")
    add(call, workload.item, (*place, "rollingUpdate", "maxUnavailable"), 0)


def _may_double(workload: Workload) -> bool:
    """Whether a second pod may run beside the first one on any node."""
    spec = mapping(workload.template, "spec")
    ports = (port for _, container in workload.containers for port in sequence(container, "ports"))
    bound = spec.get("hostNetwork") or any(dig(port, "hostPort") for port in ports)
    return not bound and not any(dig(volume, "persistentVolumeClaim") for volume in sequence(spec, "volumes"))
