"""PROBE-005: liveness and readiness ask the same question."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.core.findings import Finding
from helm_safe.core.probes import LIVENESS, READINESS, Probe, asks_dependencies, identical, probe
from helm_safe.core.workloads import container_name, containers
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in workloads(snapshot.change.target, long_running=True):
        for container in containers(workload.template):
            live, ready = probe(container, LIVENESS), probe(container, READINESS)
            if live and ready and identical(live, ready):
                yield _finding(str(workload.ref), container_name(container), live, ready)


def _finding(owner: str, name: str, live: Probe, ready: Probe) -> Finding:
    asked = " ".join(part for part in live.handler if part)
    worse = asks_dependencies(live)
    tail = "a dependency that blinks restarts every pod at once" if worse else "an overloaded pod is killed, not spared"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"Liveness and readiness of container {name} of {owner} are the same probe: {tail}.",
        object=owner,
        field=f"spec.template.spec.containers[{name}].livenessProbe",
        evidence=(asked, f"liveness acts after {live.patience:.0f} s, readiness after {ready.patience:.0f} s"),
        remediation="Let liveness ask only whether the process is alive, and give it more patience than readiness.",
    )


CHECK = Check(
    "PROBE-005",
    "Liveness equals readiness",
    WARNING,
    "Both probes have the same handler and liveness gives up no later than readiness: under load or when a dependency"
    " blinks, pods are restarted instead of being taken out of traffic.",
    "Separate the two probes.",
    _run,
)
