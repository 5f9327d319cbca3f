"""PROBE-003: the startup probe gives less time than pods measurably need."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from helm_safe.checks.base import ERROR, INFO, POD, WARNING, Check
from helm_safe.checks.boot import starts
from helm_safe.checks.facts import Pods, Workload, workloads
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object
from helm_safe.core.probes import READINESS, STARTUP, probe, stack_of
from helm_safe.core.workloads import container_name, containers, pod_template, template_labels
from helm_safe.model.snapshot import Snapshot

# A busy node starts pods half as fast again; below that budget a start is a matter of luck.
_ROOM = 1.5
# What a slow stack needs at the very least, where nothing was measured.
_SLOW = 60.0


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    live = Pods(snapshot)
    for workload in workloads(snapshot.change.target, long_running=True):
        guarded = [each for each in containers(workload.template) if probe(each, STARTUP)]
        pods = live.of(workload) if guarded else []
        for container in guarded:
            yield from _judge(snapshot, workload, container, starts(pods, container_name(container)))


def _judge(snapshot: Snapshot, workload: Workload, container: Object, measured: list[float]) -> Iterator[Finding]:
    found = probe(container, STARTUP)
    stack = stack_of(container, template_labels(workload.obj))
    if found is None:
        return
    if measured and median(measured) * _ROOM > found.budget:
        span = f"measured start of live pods: {min(measured):.0f} to {max(measured):.0f} s"
        why = (f"live pods took {median(measured):.0f} s to be ready", span)
        yield _finding(workload, container, _severity(snapshot, workload, container, measured), *why)
    elif not measured and stack and stack.slow and found.budget < _SLOW:
        yield _finding(workload, container, WARNING, f"a {stack.name} often needs longer", f"stack: {stack.name}")


def _severity(snapshot: Snapshot, workload: Workload, container: Object, measured: list[float]) -> Severity:
    """Pods that live under the same probe prove that it suffices; readiness alone may come later than a start."""
    now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
    name, found, ready = container_name(container), probe(container, STARTUP), probe(container, READINESS)
    before = next((probe(each, STARTUP) for each in containers(now) if container_name(each) == name), None)
    if found is None or before == found:
        return INFO
    same = ready is not None and ready.handler == found.handler
    return ERROR if same and min(measured) >= found.budget else WARNING


def _finding(workload: Workload, container: Object, severity: Severity, why: str, evidence: str) -> Finding:
    name, found = container_name(container), probe(container, STARTUP)
    budget, period, failures = (found.budget, found.period, found.failures) if found else (0, 0, 0)
    return Finding(
        CHECK.id,
        severity,
        f"The startup probe of container {name} of {workload.ref} kills it after {budget:.0f} s; {why}.",
        object=str(workload.ref),
        field=f"spec.template.spec.containers[{name}].startupProbe",
        evidence=(evidence, f"period {period:.0f} s, {failures} failures"),
        remediation=CHECK.remedy,
    )


CHECK = Check(
    "PROBE-003",
    "Startup probe too short",
    WARNING,
    "The startup probe kills a container after a time that is less than one and a half times what live pods measurably"
    " need from their start to ready. An error where every live pod needed longer. Live pods under the same probe make"
    " it information.",
    "Raise failureThreshold of the startup probe in the chart; until then restart few pods at a time.",
    _run,
    needs=(POD,),
)
