"""PROBE-014: the rollback itself would take most pods away at once."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.doubles import staged
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.probing import Weakness, report
from helm_safe.checks.rolling import replicas, rolls, strategy, unavailable
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


def _rule(snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    ours = {each.workload for each in staged(snapshot)}
    for workload in workloads(revision, long_running=True):
        if workload.kind.kind == "Deployment" and workload.ref not in ours and rolls(snapshot, workload):
            what = _outage(snapshot, workload)
            if what:
                evidence = (f"strategy: {strategy(workload)}", f"replicas: {replicas(snapshot, workload)}")
                yield Weakness(workload, "", "spec.strategy", what, evidence, standing=True)


def _outage(snapshot: Snapshot, workload: Workload) -> str:
    count = replicas(snapshot, workload)
    if strategy(workload) == "Recreate":
        return f"stops all {count} pods before the first new one starts (Recreate)" if count > 1 else ""
    gone = unavailable(snapshot, workload)
    if count and gone >= count:
        return f"may stop all {count} pods before a new one is ready" if count > 1 else "may stop its only pod first"
    return f"may take {gone} of {count} pods away at once" if count > 1 and gone * 2 >= count else ""


CHECK = Check(
    "PROBE-014",
    "Rolling update with an outage",
    WARNING,
    "The rollback replaces the pods of a Deployment whose strategy (Recreate, or a large maxUnavailable) takes "
    "half of them or more away before new ones are ready. Workloads that get a standby are left out: no user is "
    "on the pods that roll.",
    "Set maxSurge 25 % and maxUnavailable 0 in the chart, or expect the gap.",
    _run,
)
