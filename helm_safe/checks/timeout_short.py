"""PROBE-009: a liveness probe that gives a slow process one second."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.probing import Weakness, probed, report
from helm_safe.core.findings import Finding
from helm_safe.core.probes import LIVENESS, probe, stack_of, starved
from helm_safe.core.workloads import container_name, template_labels
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload, container in probed(revision):
        live = probe(container, LIVENESS)
        if live is None or live.timeout > 1:
            continue
        stack = stack_of(container, template_labels(workload.obj))
        reasons = [
            *(["exec probe"] if live.handler[0] == "exec" else []),
            *(["stack: JVM"] if stack and stack.name == "JVM" else []),
            *(["CPU limit under half a core"] if starved(container) else []),
        ]
        if reasons:
            what = "is killed when it is slow for a moment: its liveness probe waits 1 s for an answer"
            yield Weakness(workload, container_name(container), LIVENESS, what, tuple(reasons))


CHECK = Check(
    "PROBE-009",
    "Probe timeout of one second",
    WARNING,
    "A liveness probe waits one second (the default) for a JVM, for a command, or for a container with little "
    "CPU: a collection of garbage or a throttled moment restarts a healthy pod, and cold pods after a rollback "
    "have many.",
    "Set timeoutSeconds of the liveness probe to 3 to 5.",
    _run,
)
