"""How the target's Deployments replace their pods."""

from __future__ import annotations

from helm_safe.checks.facts import Workload, live_replicas
from helm_safe.core.objects import dig
from helm_safe.core.quantities import int_or_percent
from helm_safe.core.workloads import declared_replicas, pod_template
from helm_safe.model.snapshot import Snapshot


def rolls(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether the rollback replaces the pods of a workload that both revisions have."""
    current = snapshot.change.current.objects.get(workload.ref)
    return current is not None and pod_template(current) != workload.template


def replicas(snapshot: Snapshot, workload: Workload) -> int:
    """How many pods there will be: what the target states, else what runs now."""
    stated = declared_replicas(workload.obj)
    live = live_replicas(snapshot, workload.ref)
    return stated if stated is not None else live if live is not None else 1


def strategy(workload: Workload) -> str:
    return str(dig(workload.obj, "spec", "strategy", "type") or "RollingUpdate")


def surge(snapshot: Snapshot, workload: Workload) -> int:
    """Pods beyond the count that a rolling update may start; 0 with Recreate."""
    return 0 if strategy(workload) == "Recreate" else _amount(snapshot, workload, "maxSurge", round_up=True)


def unavailable(snapshot: Snapshot, workload: Workload) -> int:
    """Pods that a rolling update may take away before others are ready."""
    return _amount(snapshot, workload, "maxUnavailable", round_up=False)


def _amount(snapshot: Snapshot, workload: Workload, field: str, *, round_up: bool) -> int:
    stated = dig(workload.obj, "spec", "strategy", "rollingUpdate", field)
    try:
        return int_or_percent("25%" if stated is None else stated, replicas(snapshot, workload), round_up=round_up)
    except ValueError:
        return 0
