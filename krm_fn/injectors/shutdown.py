"""How a pod ends: it waits until proxies stopped sending requests, and has the time for those under way."""

from __future__ import annotations

from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.quantities import duration
from helm_safe.core.workloads import container_name, ports
from krm_fn.function import Call
from krm_fn.injectors.made import add
from krm_fn.items import Path
from krm_fn.pods import Workload

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "seconds": {
            "type": "integer",
            "default": 5,
            "minimum": 1,
            "maximum": 300,
            "description": "How long a pod goes on serving after it was told to end: until every proxy knows.",
        },
        "by": {
            "type": "string",
            "enum": ["sleep", "exec"],
            "default": "sleep",
            "description": "sleep: preStop.sleep of Kubernetes 1.30 and newer; exec: the command sleep, which the image"
            " must have.",
        },
    },
}

GRACE = 30
"""Seconds: Kubernetes' default of terminationGracePeriodSeconds."""
_SPARE = 5
_GRACEFUL = ("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "GRACEFUL_TIMEOUT", "GRACEFUL_SHUTDOWN_TIMEOUT")


def inject(call: Call, workloads: list[Workload], settings: dict[str, Any]) -> None:
    """Add preStop to containers that a Service sends requests to, and the grace period that it needs."""
    for workload in workloads:
        wanted = workload.served_ports()
        if not wanted or workload.item.gvk.group == "serving.knative.dev":
            continue  # Knative drains by a proxy of its own and refuses lifecycle hooks
        own = workload.own_containers
        served = [each for each in own if any({name, str(number)} & wanted for name, number in ports(each[1]))]
        for path, container in served or (own if len(own) == 1 else []):
            if dig(container, "lifecycle", "preStop") is None and _fits(call, workload, path, container, settings):
                add(call, workload.item, (*path, "lifecycle", "preStop"), _handler(settings))


def _handler(settings: dict[str, Any]) -> Object:
    seconds = settings["seconds"]
    return (
        {"sleep": {"seconds": seconds}} if settings["by"] == "sleep" else {"exec": {"command": ["sleep", str(seconds)]}}
    )


def _fits(call: Call, workload: Workload, path: Path, container: Object, settings: dict[str, Any]) -> bool:
    """Give the pod the time that it needs; False where its own is shorter: it would be killed amid requests."""
    needed = settings["seconds"] + _declared(container) + _SPARE
    place = (*workload.path, "spec", "terminationGracePeriodSeconds")
    stated = workload.item.get(*place)
    if stated is None:
        if needed > GRACE:
            add(call, workload.item, place, round(needed))
        return True
    if isinstance(stated, int) and stated >= needed:
        return True
    call.report(
        "PROBE-015",
        Severity.WARNING,
        f"terminationGracePeriodSeconds ({stated}) leaves container {container_name(container)} less than the"
        f" {needed:.0f} s that it needs to end: no preStop was added.",
        item=workload.item,
        path=(*path, "lifecycle"),
        remediation=f"Set it to {needed:.0f} or more.",
    )
    return False


def _declared(container: Object) -> float:
    """Seconds that the application takes for requests under way, where its environment says so."""
    for variable in sequence(container, "env"):
        if dig(variable, "name") in _GRACEFUL:
            text = str(dig(variable, "value") or "")
            try:
                return duration(f"{text}s" if text.isdigit() else text)
            except ValueError:
                return 0.0
    return 0.0
