"""GATE-002: a metric of the user's own had no usable answer, so no gate could ever judge by it."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.settings.strategy not in ("auto", "standby", "shift", "replicas") or not snapshot.staging.staged:
        return
    for each in snapshot.unanswered:
        mend = f"{each.next_step} " if each.next_step else ""
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"The query {each.query!r} has no usable answer from {each.provider}: {each.why}.",
            object=f"Query/{each.query}",
            evidence=("asked once while planning, for the Service that is live now",),
            remediation=f"{mend}Correct it in the policy (gates.queries). Accepted, the gates go without it.",
        )


CHECK = Check(
    "GATE-002",
    "Query without an answer",
    ERROR,
    "Every metric of gates.queries is asked once before anything is touched. One that is misnamed, that the provider"
    " cannot read, or that has no data or no credentials would say nothing at any gate.",
    "Correct the query, its provider or the credentials in the environment.",
    _run,
)
