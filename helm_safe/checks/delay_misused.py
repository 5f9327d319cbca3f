"""PROBE-008: a long fixed delay before the first probe."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.probing import Weakness, probed, report
from helm_safe.core.findings import Finding
from helm_safe.core.probes import LIVENESS, READINESS, STARTUP, probe
from helm_safe.core.workloads import container_name
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


_LONG = 30.0


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload, container in probed(revision):
        guarded = probe(container, STARTUP) is not None
        for field in (READINESS, LIVENESS):
            found = probe(container, field)
            if found and found.initial_delay >= _LONG:
                tail = "on top of its startup probe" if guarded else "at every start, however fast the start was"
                what = f"waits {found.initial_delay:.0f} s before its first {field}, {tail}"
                yield Weakness(workload, container_name(container), field, what, (f"initialDelaySeconds of {field}",))


CHECK = Check(
    "PROBE-008",
    "Delay instead of a startup probe",
    WARNING,
    "A readiness or liveness probe with initialDelaySeconds of 30 or more: every restart waits that long, a dead "
    "pod is noticed that much later, and a rollback takes longer than it needs to.",
    "Move the patience into a startup probe and drop initialDelaySeconds.",
    _run,
)
