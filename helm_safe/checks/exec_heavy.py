"""PROBE-020: a probe that starts a whole runtime each time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.probing import Weakness, asked, probed, report
from helm_safe.core.findings import Finding
from helm_safe.core.probes import LIVENESS, READINESS, probe
from helm_safe.core.workloads import container_name
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


_LONGEST = 10.0
# Programs that bring a whole runtime up for each question.
_HEAVY = re.compile(
    r"\b(?:java|python[\d.]*|node|ruby|rails|rake|php|dotnet|celery|mongosh|kafka-topics|kafka-topics\.sh"
    r"|kafka-broker-api-versions|kafka-broker-api-versions\.sh|cqlsh|nodetool)(?:\s|$)"
)


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload, container in probed(revision):
        for field in (READINESS, LIVENESS):
            found = probe(container, field)
            if found is None or found.handler[0] != "exec" or found.period > _LONGEST:
                continue
            program = _HEAVY.search(" ".join(found.handler[1:])[:512])
            if program:
                what = f"starts {program[0].strip()} every {found.period:.0f} s for its {field}: a busy node fails it"
                yield Weakness(workload, container_name(container), field, what, (f"{field}: {asked(found)}",))


CHECK = Check(
    "PROBE-020",
    "Heavy probe",
    WARNING,
    "A readiness or liveness probe starts a JVM, an interpreter or the like every ten seconds or more often. It "
    "takes the CPU that a cold pod needs, and times out exactly then.",
    "Use an HTTP, gRPC or TCP probe, or a file that the application touches.",
    _run,
)
