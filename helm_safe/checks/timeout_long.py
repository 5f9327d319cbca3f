"""PROBE-010: a probe that waits longer for its answer than until the next one."""

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


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload, container in probed(revision):
        for field in (STARTUP, READINESS, LIVENESS):
            found = probe(container, field)
            if found and found.timeout > found.period:
                what = (
                    f"waits up to {found.timeout:.0f} s for an answer to its {field}, asked every {found.period:.0f} s"
                )
                yield Weakness(workload, container_name(container), field, what, (f"{field}: timeout over period",))


CHECK = Check(
    "PROBE-010",
    "Probe timeout over period",
    WARNING,
    "timeoutSeconds exceeds periodSeconds: probes do not overlap, so a hanging process is found later than the "
    "numbers suggest.",
    "Keep timeoutSeconds at or under periodSeconds.",
    _run,
)
