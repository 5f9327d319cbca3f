"""STBY-001: a standby that live objects would not keep apart from the current pods."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import BUDGET, CONFIG_MAP, DEPLOYMENT, ERROR, SECRET, SERVICE, Check
from helm_safe.checks.doubles import doubled, staged, standbys
from helm_safe.core.findings import Finding
from helm_safe.model.own import CannotStandBy
from helm_safe.model.routes import service_of
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    planned = {service_of(door.service) for each in staged(snapshot) for door in each.doors}
    shared = [(service, owners) for service, owners in snapshot.staging.shared if service in planned]
    for service, owners in shared:
        yield _finding(
            f"Service/{service} selects the pods of several workloads: {', '.join(owners)}. A share of its traffic"
            " cannot be moved to a standby of one of them.",
            f"Service/{service}",
        )
    if planned and not shared:
        try:
            standbys(snapshot).objects()
        except CannotStandBy as reason:
            yield _finding(f"No standby can be made: {reason}.", "")


def _finding(message: str, obj: str) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        message,
        object=obj,
        remediation="Roll back without a standby: --strategy native.",
    )


CHECK = Check(
    "STBY-001",
    "No standby possible",
    ERROR,
    "The current pods' Services, Deployment or disruption budgets would take the standby's pods for their own whatever"
    " labels change, a Service serves several workloads, or a copy would lack what the pods need.",
    "Use --strategy native.",
    _run,
    needs=(SERVICE, DEPLOYMENT, BUDGET, CONFIG_MAP, SECRET),
    waivable=False,
    when=doubled,
)
