"""PROBE-001: a container behind a Service without a readiness probe."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import SERVICE, WARNING, Check
from helm_safe.checks.facts import Workload, services, services_for, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, name_of, sequence
from helm_safe.core.probes import READINESS, probe
from helm_safe.core.workloads import container_name, containers, ports
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    around = services(snapshot)
    for workload in workloads(snapshot.change.target, long_running=True):
        ours = services_for(around, workload)
        for container in _served(workload, ours) if ours else []:
            if probe(container, READINESS) is None:
                yield _finding(workload, container, ours)


def _served(workload: Workload, selecting: list[Object]) -> list[Object]:
    """The containers that a Service sends requests to; the first one where its ports tell nothing."""
    wanted = {
        str(dig(port, "targetPort") or dig(port, "port"))
        for each in selecting
        for port in sequence(each, "spec", "ports")
    }
    all_of_them = containers(workload.template)
    hit = [c for c in all_of_them if any({name, str(number)} & wanted for name, number in ports(c))]
    return hit or all_of_them[:1]


def _finding(workload: Workload, container: Object, selecting: list[Object]) -> Finding:
    name = container_name(container)
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"Container {name} of {workload.ref} has no readiness probe: it gets requests the instant its process starts.",
        object=str(workload.ref),
        field=f"spec.template.spec.containers[{name}].readinessProbe",
        evidence=tuple(f"selected by Service/{name_of(each)}" for each in selecting[:5]),
        remediation="Watch the first requests after the rollback closely; add a readinessProbe to the chart.",
    )


CHECK = Check(
    "PROBE-001",
    "No readiness probe",
    WARNING,
    "A container that a Service selects has no readiness probe. It counts as ready at once, so a crash-looping or cold"
    " pod gets users' requests and a rollout looks finished.",
    "Add a readiness probe that answers only when the application can serve.",
    _run,
    needs=(SERVICE,),
)
