"""OWN-002 and OWN-003: Flagger, Argo Rollouts or OpenKruise control the release's pods or routes."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.model.neighbours import CANARY, KRUISE_ROLLOUT, PODS, ROLLOUT, Driver
from helm_safe.model.snapshot import Snapshot


def _progressive(snapshot: Snapshot) -> Iterator[Finding]:
    return (_finding(PROGRESSIVE, each) for each in snapshot.drivers if each.followed)


def _kruise(snapshot: Snapshot) -> Iterator[Finding]:
    return (_finding(KRUISE, each) for each in snapshot.drivers if not each.followed)


def _finding(check: Check, driver: Driver) -> Finding:
    return Finding(
        check.id,
        check.severity,
        f"{driver.controller} drives {driver.driven} through {driver.ref}: it decides when pods and traffic change,"
        " and a rollback beside it becomes a new canary of its own.",
        object=str(driver.ref),
        evidence=(f"drives {driver.driven}",) if driver.driven != PODS else (f"{driver.ref} is in the chart",),
        remediation=". ".join(filter(None, (f"{driver.remedy}", check.remedy))),
    )


PROGRESSIVE = Check(
    "OWN-002",
    "Progressive delivery owns the workload",
    ERROR,
    "Flagger or Argo Rollouts replaces pods and moves traffic by its own rules; a rollback started beside it is"
    " treated as one more release.",
    "Accepted, the rollback is native, moves no users itself, and follows the controller until it has decided.",
    _progressive,
    needs=(CANARY, ROLLOUT),
)
KRUISE = Check(
    "OWN-003",
    "OpenKruise owns the workload",
    ERROR,
    "OpenKruise replaces the pods of the workload by rules of its own, in place or in batches.",
    "Accepted, the rollback is native and moves no users itself; watch the batches after it.",
    _kruise,
    needs=(KRUISE_ROLLOUT,),
)
