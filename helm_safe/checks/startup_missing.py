"""PROBE-002: a slow starter whose liveness probe has no patience for its start."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from helm_safe.checks.base import ERROR, POD, WARNING, Check
from helm_safe.checks.boot import starts
from helm_safe.checks.facts import Pods, Workload, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.probes import LIVENESS, STARTUP, Stack, boot_kill_after, probe, stack_of, starved
from helm_safe.core.workloads import container_name, containers, template_labels
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    live = Pods(snapshot)
    for workload in workloads(snapshot.change.target, long_running=True):
        unguarded = [c for c in containers(workload.template) if probe(c, LIVENESS) and not probe(c, STARTUP)]
        pods = live.of(workload) if unguarded else []
        for container in unguarded:
            yield from _judge(workload, container, starts(pods, container_name(container)))


def _judge(workload: Workload, container: Object, measured: list[float]) -> Iterator[Finding]:
    kill = boot_kill_after(container) or 0.0
    stack = stack_of(container, template_labels(workload.obj))
    slow = stack is not None and stack.slow
    usual = median(measured) if measured else 0.0
    if measured and min(measured) >= kill:
        yield _finding(workload, container, stack, measured, hopeless=True)
    elif usual > kill / 2 or (slow and not measured) or (slow and usual * 3 > kill):
        yield _finding(workload, container, stack, measured, hopeless=False)


def _finding(
    workload: Workload, container: Object, stack: Stack | None, measured: list[float], *, hopeless: bool
) -> Finding:
    name, kill = container_name(container), boot_kill_after(container) or 0.0
    period, failures = stack.startup if stack else (10, 30)
    tail = "live pods took longer than that to start" if hopeless else "a slow start ends in a restart loop"
    evidence = [f"stack: {stack.name}" if stack else "stack: not recognised"]
    evidence += [f"measured start of live pods: {min(measured):.0f} to {max(measured):.0f} s"] if measured else []
    evidence += ["CPU limit under half a core"] if starved(container) else []
    return Finding(
        CHECK.id,
        ERROR if hopeless else WARNING,
        f"Container {name} of {workload.ref} has no startup probe, and its liveness probe kills it after {kill:.0f} s:"
        f" {tail}.",
        object=str(workload.ref),
        field=f"spec.template.spec.containers[{name}].startupProbe",
        evidence=tuple(evidence),
        remediation=f"Add a startupProbe with the handler of the liveness probe, periodSeconds: {period},"
        f" failureThreshold: {failures} ({period * failures} s); until then restart few pods at a time.",
    )


CHECK = Check(
    "PROBE-002",
    "Slow starter without startup probe",
    WARNING,
    "A JVM or another slow starter has a liveness probe but no startup probe: on a busy node the probe kills it before"
    " it is up, again and again. An error when live pods measurably need longer than the probe allows.",
    "Add a startup probe.",
    _run,
    needs=(POD,),
)
