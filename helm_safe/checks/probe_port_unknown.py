"""PROBE-011: a probe names a port that its container does not declare."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.probes import LIVENESS, READINESS, STARTUP, Probe, probe, unknown_port
from helm_safe.core.workloads import all_containers, container_name, ports
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in workloads(snapshot.change.target, long_running=True):
        for container in all_containers(workload.template):
            for field in (STARTUP, READINESS, LIVENESS):
                found = probe(container, field)
                if found and unknown_port(found, container):
                    yield _finding(str(workload.ref), container, found)


def _finding(owner: str, container: Object, found: Probe) -> Finding:
    name = container_name(container)
    declared = ", ".join(f"{label or 'unnamed'}={number}" for label, number in ports(container)) or "none"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"The {found.field} of container {name} of {owner} asks port {found.port!r}, which is not declared: the pod"
        " would never become ready.",
        object=owner,
        field=f"spec.template.spec.containers[{name}].{found.field}",
        evidence=(f"declared ports: {declared}",),
        remediation="Name a declared port in the chart, or choose another revision.",
    )


CHECK = Check(
    "PROBE-011",
    "Probe of an unknown port",
    ERROR,
    "A probe refers to a port by a name that the container does not declare. The kubelet cannot run it, and the pod"
    " never becomes ready.",
    "Name a declared port, or choose another revision.",
    _run,
)
