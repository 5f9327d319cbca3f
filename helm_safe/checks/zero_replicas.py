"""REPL-002: the chart omits spec.replicas, so Helm restores no pods."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import AUTOSCALER, INFO, SCALED_OBJECT, WARNING, WORKLOADS, Check
from helm_safe.checks.facts import Workload, autoscaler_of, bounds, live_replicas, server_side, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import name_of
from helm_safe.core.workloads import counts_replicas, declared_replicas
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in workloads(snapshot.change.target, long_running=True):
        if not counts_replicas(workload.obj) or declared_replicas(workload.obj) is not None:
            continue
        live = live_replicas(snapshot, workload.ref)
        if live == 0:
            yield _at_zero(snapshot, workload)
        elif live is not None and live > 1:
            yield from _reset_to_one(snapshot, workload, live)


def _at_zero(snapshot: Snapshot, workload: Workload) -> Finding:
    scaler = autoscaler_of(snapshot, workload.ref)
    known = scaler is not None
    count = max(1, bounds(scaler)[0]) if scaler else 1
    source = f"the minimum of {scaler.get('kind')}/{name_of(scaler)}" if scaler else "no autoscaler states a minimum"
    return Finding(
        CHECK.id,
        INFO if known else WARNING,
        f"{workload.ref} has 0 replicas and the target's manifest states none: a plain rollback would leave no pod"
        f" and report success. The run restores {count}.",
        object=str(workload.ref),
        field="spec.replicas",
        evidence=("live: 0", "target: not stated", source),
        remediation="Nothing to do." if known else f"If {count} is too few: kubectl scale {_command(workload)} first.",
    )


def _reset_to_one(snapshot: Snapshot, workload: Workload, live: int) -> Iterator[Finding]:
    """A count that the current manifest states and the target's omits is removed, and the server's default is 1."""
    current = snapshot.change.current.objects.get(workload.ref)
    if current is None or declared_replicas(current) is None:
        return
    method = "Server-side apply" if server_side(snapshot) else "Helm"
    yield Finding(
        CHECK.id,
        WARNING,
        f"{workload.ref} runs {live} replicas by the current manifest; the target states none: {method} removes the"
        f" field, and one pod is left until the run restores {live}.",
        object=str(workload.ref),
        field="spec.replicas",
        evidence=(f"live: {live}", f"current: {declared_replicas(current)}", "target: not stated"),
        remediation="Nothing to do if a moment with one pod is bearable; otherwise roll forward.",
    )


def _command(workload: Workload) -> str:
    return f"{workload.ref.kind.lower()} {workload.ref.name} -n {workload.ref.namespace} --replicas=N"


CHECK = Check(
    "REPL-002",
    "Zero replicas would stay",
    WARNING,
    "After `kubectl scale --replicas=0` a rollback of a chart that omits spec.replicas leaves zero pods, with Helm 3"
    " and Helm 4 alike, and says that it was a success.",
    "The run records the count before it touches anything and restores it.",
    _run,
    needs=(AUTOSCALER, SCALED_OBJECT, *WORKLOADS),
)
