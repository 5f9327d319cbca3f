"""PROBE-013: a Deployment whose pods count as available at once."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.checks.probing import Weakness, report
from helm_safe.checks.rolling import replicas
from helm_safe.core.findings import Finding
from helm_safe.core.objects import dig
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


def _rule(snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload in workloads(revision, long_running=True):
        several = workload.kind.kind == "Deployment" and replicas(snapshot, workload) > 1
        if several and not dig(workload.obj, "spec", "minReadySeconds"):
            what = "counts a pod as available the instant that it is ready, even one that dies after 5 s"
            yield Weakness(workload, "", "spec.minReadySeconds", what)


CHECK = Check(
    "PROBE-013",
    "No time to prove itself",
    WARNING,
    "minReadySeconds is 0 with several replicas: a native rollback replaces pod after pod although each dies "
    "shortly after it was ready. Runs that move users in steps watch the pods themselves.",
    "Set minReadySeconds to 10 to 30 in the chart.",
    _run,
)
