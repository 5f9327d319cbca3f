"""PROBE-001: who gets requests must say when it can serve."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import Object
from helm_safe.core.probes import READINESS, probe
from helm_safe.core.workloads import container_name, ports
from krm_fn.items import Path
from krm_fn.pods import Workload
from krm_fn.rules.build import Build, Violation


def check(build: Build) -> Iterator[Violation]:
    for workload in build.workloads:
        if workload.item.gvk.group == "serving.knative.dev":
            continue  # Knative gives every revision a readiness probe of its own
        for path, container in _served(workload):
            if probe(container, READINESS) is None:
                yield _violation(workload, path, container)


def _served(workload: Workload) -> list[tuple[Path, Object]]:
    """The containers that a Service sends requests to; the only one where ports tell nothing."""
    wanted = workload.served_ports()
    own = workload.own_containers
    hit = [each for each in own if any({name, str(number)} & wanted for name, number in ports(each[1]))]
    return hit or (own if wanted and len(own) == 1 else [])


def _violation(workload: Workload, path: Path, container: Object) -> Violation:
    return Violation(
        "PROBE-001",
        workload.item,
        (*path, READINESS),
        f"Container {container_name(container)} gets requests of a Service and has no readiness probe: users meet it"
        " the instant its process starts.",
        "Add one that answers only when the application can serve.",
    )
