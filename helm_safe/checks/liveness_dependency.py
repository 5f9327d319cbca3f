"""PROBE-006: a liveness probe that asks a database or whole readiness."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.probing import Weakness, asked, probed, report
from helm_safe.core.findings import Finding
from helm_safe.core.probes import LIVENESS, READINESS, asks_dependencies, identical, probe
from helm_safe.core.workloads import container_name
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload, container in probed(revision):
        live, ready = probe(container, LIVENESS), probe(container, READINESS)
        if live and asks_dependencies(live) and not (ready and identical(live, ready)):
            what = "is restarted when something else is unwell: its liveness probe asks more than the process itself"
            yield Weakness(workload, container_name(container), LIVENESS, what, (f"liveness: {asked(live)}",))


CHECK = Check(
    "PROBE-006",
    "Liveness asks dependencies",
    WARNING,
    "A liveness probe whose path or command asks for readiness or for a database, cache or queue: when that "
    "blinks, the whole fleet is restarted at once, in the middle of a rollback as well. A probe that is the same "
    "as readiness has a check of its own.",
    "Let liveness ask only whether the process is alive.",
    _run,
)
