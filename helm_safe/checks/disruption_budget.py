"""PDB-001: a budget that allows no disruption at all."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import BUDGET, INFO, WORKLOADS, Check
from helm_safe.checks.facts import live_replicas, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, label_selector_matches, mapping, name_of, namespace_of
from helm_safe.core.quantities import int_or_percent
from helm_safe.core.workloads import declared_replicas, template_labels
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    budgets = snapshot.of_kind(*BUDGET)
    for workload in workloads(snapshot.change.target, long_running=True):
        count = declared_replicas(workload.obj) or live_replicas(snapshot, workload.ref) or 1
        for budget in budgets:
            selector = mapping(budget, "spec", "selector")
            if namespace_of(budget) != workload.ref.namespace or not selector:
                continue
            if label_selector_matches(selector, template_labels(workload.obj)) and _forbids(budget, count):
                yield _finding(budget, str(workload.ref), count)


def _forbids(budget: Object, count: int) -> bool:
    """Whether not one of `count` pods may be evicted."""
    least, most = dig(budget, "spec", "minAvailable"), dig(budget, "spec", "maxUnavailable")
    try:
        if most is not None:
            return int_or_percent(most, count, round_up=True) == 0
        return least is not None and int_or_percent(least, count, round_up=True) >= count
    except ValueError:
        return False


def _finding(budget: Object, owner: str, count: int) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"PodDisruptionBudget/{name_of(budget)} allows no eviction of {owner}'s {count}"
        f" pod{'s' if count > 1 else ''}: the rollback is not held up, but a node cannot be drained meanwhile.",
        object=f"PodDisruptionBudget/{name_of(budget)}",
        evidence=tuple(
            f"{field}: {dig(budget, 'spec', field)}"
            for field in ("minAvailable", "maxUnavailable")
            if dig(budget, "spec", field) is not None
        ),
        remediation="Nothing to do for the rollback; do not drain nodes while it runs.",
    )


CHECK = Check(
    "PDB-001",
    "No disruption allowed",
    INFO,
    "A PodDisruptionBudget forbids every eviction. A rollback does not evict, but autoscaling and maintenance of nodes"
    " wait for it.",
    "Do not drain nodes during the rollback.",
    _run,
    needs=(BUDGET, *WORKLOADS),
)
