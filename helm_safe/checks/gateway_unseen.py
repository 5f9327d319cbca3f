"""GATE-001: the gateway's own numbers cannot be had, so no gate could judge what users get."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    staged = snapshot.settings.strategy in ("auto", "standby", "shift") and snapshot.staging.staged
    if staged and snapshot.blind:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"What users get at each step cannot be seen: {snapshot.blind}.",
            evidence=("tried once while planning",),
            remediation="Name the gateway and its pods in the policy (metrics.gateway, metrics.scrape.*), or give a"
            " Prometheus with --metrics. Accepted, the gates judge by pods, logs and warm-up requests alone.",
        )


CHECK = Check(
    "GATE-001",
    "Gateway's numbers not to be had",
    ERROR,
    "Success rate and latency per backend are what decides about each step. They could not be read while planning.",
    "Make the gateway's metrics readable, or give a Prometheus.",
    _run,
)
