"""REPL-001: the rollback cuts the number of pods down to what the target's manifest says."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import AUTOSCALER, ERROR, SCALED_OBJECT, WARNING, WORKLOADS, Check
from helm_safe.checks.facts import Workload, autoscaler_of, live_replicas, server_side, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import name_of
from helm_safe.core.workloads import declared_replicas
from helm_safe.model.snapshot import Snapshot

# Beyond this ratio the pods that are left cannot carry the load.
_TOO_STEEP = 1.5


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in workloads(snapshot.change.target, long_running=True):
        wanted, live = declared_replicas(workload.obj), live_replicas(snapshot, workload.ref)
        if wanted is not None and live is not None and live > wanted:
            yield _finding(snapshot, workload, wanted, live)


def _finding(snapshot: Snapshot, workload: Workload, wanted: int, live: int) -> Finding:
    scaler = autoscaler_of(snapshot, workload.ref)
    steep = scaler is not None and live > wanted * _TOO_STEEP
    owner = f"{scaler.get('kind')}/{name_of(scaler)} scales it" if scaler else "no autoscaler: scaled by hand"
    return Finding(
        CHECK.id,
        ERROR if steep else WARNING,
        f"{workload.ref} runs {live} replicas; the target's manifest says {wanted}: {_effect(snapshot, live, wanted)}.",
        object=str(workload.ref),
        field="spec.replicas",
        evidence=(f"live: {live}", f"target: {wanted}", owner),
        remediation=CHECK.remedy,
    )


def _effect(snapshot: Snapshot, live: int, wanted: int) -> str:
    if server_side(snapshot) and not snapshot.settings.native.force_conflicts:
        return "Helm stops with a conflict where another manager owns the count"
    return f"Helm sets it to {wanted} at once, {live - wanted} pods less"


CHECK = Check(
    "REPL-001",
    "Capacity would drop",
    ERROR,
    "The target's manifest states spec.replicas and more pods run now. Helm 3 resets the count at once; Helm 4 stops"
    " with a conflict. An error when an autoscaler holds more than one and a half times the stated count.",
    "Raise the autoscaler's minimum and accept, or roll forward to a chart that omits spec.replicas.",
    _run,
    needs=(AUTOSCALER, SCALED_OBJECT, *WORKLOADS),
)
