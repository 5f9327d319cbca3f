"""PROBE-004: pods may need longer to start than somebody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.base import INFO, POD, WARNING, Check
from helm_safe.checks.boot import starts
from helm_safe.checks.facts import Pods, Workload, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import dig
from helm_safe.core.probes import STARTUP, probe
from helm_safe.core.workloads import container_name, containers
from helm_safe.model.snapshot import Snapshot

_DEADLINE = 600.0


class Limit(NamedTuple):
    """Who waits how long. ours: it is this run."""

    name: str
    seconds: float
    ours: bool


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    live = Pods(snapshot)
    for workload in workloads(snapshot.change.target, long_running=True):
        budget = max((found.budget for c in containers(workload.template) if (found := probe(c, STARTUP))), default=0.0)
        limits = [each for each in _limits(snapshot, workload) if each.seconds > 0]
        if not limits or not workload.kind.replicas:
            continue
        pods = live.of(workload)
        names = [container_name(each) for each in containers(workload.template)]
        measured = max((each for name in names for each in starts(pods, name)), default=None)
        for limit in limits:
            yield from _judge(snapshot, workload, limit, budget, measured)


def _limits(snapshot: Snapshot, workload: Workload) -> Iterator[Limit]:
    yield Limit("--timeout", snapshot.settings.timeout, ours=True)
    if workload.kind.kind == "Deployment":
        stated = dig(workload.obj, "spec", "progressDeadlineSeconds")
        usable = isinstance(stated, int) and not isinstance(stated, bool)
        yield Limit("progressDeadlineSeconds", float(stated) if usable else _DEADLINE, ours=False)


def _judge(
    snapshot: Snapshot, workload: Workload, limit: Limit, budget: float, measured: float | None
) -> Iterator[Finding]:
    """What was measured decides; a budget alone only where nothing says that pods are much faster."""
    if measured is not None and measured >= limit.seconds:
        evidence = f"slowest start of a live pod: {measured:.0f} s"
        yield _finding(workload, limit, f"live pods took up to {measured:.0f} s to start", evidence, info=False)
    elif budget > limit.seconds and (measured is None or measured * 2 > limit.seconds):
        old = _deadline(snapshot, workload, limit)
        evidence = f"startup budget: {budget:.0f} s"
        yield _finding(workload, limit, f"its startup probe allows {budget:.0f} s", evidence, info=old)


def _deadline(snapshot: Snapshot, workload: Workload, limit: Limit) -> bool:
    """Whether the chart's own deadline is as it was."""
    current = snapshot.change.current.objects.get(workload.ref)
    field = ("spec", "progressDeadlineSeconds")
    return not limit.ours and current is not None and dig(current, *field) == dig(workload.obj, *field)


def _finding(workload: Workload, limit: Limit, why: str, evidence: str, *, info: bool) -> Finding:
    who = "this run waits" if limit.ours else "its Deployment counts as failed after"
    remedy = f"Give --timeout more than {limit.seconds:.0f}s." if limit.ours else CHECK.remedy
    return Finding(
        CHECK.id,
        INFO if info else WARNING,
        f"A pod of {workload.ref} may start too late: {why}, and {who} {limit.seconds:.0f} s ({limit.name}).",
        object=str(workload.ref),
        field="" if limit.ours else "spec.progressDeadlineSeconds",
        evidence=(evidence, f"{limit.name}: {limit.seconds:.0f} s"),
        remediation=remedy,
    )


CHECK = Check(
    "PROBE-004",
    "Start longer than the wait",
    WARNING,
    "Live pods measurably take longer to start than the Deployment's progress deadline or this run's --timeout allows,"
    " or the startup probe permits that: a good rollout would be called failed.",
    "Let progressDeadlineSeconds exceed the startup budget by two minutes, and --timeout exceed both.",
    _run,
    needs=(POD,),
)
