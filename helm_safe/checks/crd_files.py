"""CRD-002: the chart's crds/ folder differs, and Helm never touches it on a rollback."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    current, target = snapshot.change.current, snapshot.change.target
    differing = sorted(
        name for name in {*current.crds, *target.crds} if current.crds.get(name) != target.crds.get(name)
    )
    if differing:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{len(differing)} CRD file{'s' if len(differing) > 1 else ''} of the chart differ between revision"
            f" {current.number} and {target.number}; the rollback leaves the live CRDs as they are.",
            evidence=tuple(f"{name}: {_how(name, current.crds, target.crds)}" for name in differing[:20]),
            remediation=CHECK.remedy,
        )


def _how(name: str, current: dict[str, str], target: dict[str, str]) -> str:
    if name not in target:
        return "only in the current revision"
    return "different" if name in current else "only in the target"


CHECK = Check(
    "CRD-002",
    "CRD files differ",
    WARNING,
    "Files below crds/ are installed once and never changed by an upgrade or a rollback. The target's objects may not"
    " fit the CRDs that are live.",
    "Compare the live CRDs with the target chart's crds/ folder; apply by hand what the target needs.",
    _run,
)
