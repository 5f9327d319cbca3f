"""RBAC-001: the caller may not do what the rollback has to do."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    release = snapshot.history.release
    for permission, granted in sorted(snapshot.permitted.items()):
        if granted:
            continue
        verb, _, resource = permission.partition(" ")
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"You may not {verb} {resource} in namespace {release.namespace}, which the rollback needs.",
            object=resource,
            evidence=(f"access review: {permission} is denied",),
            remediation=f"Grant it: helm safe-rollback rbac {release.name} -n {release.namespace} lists the verbs.",
        )


CHECK = Check(
    "RBAC-001",
    "Permission missing",
    ERROR,
    "The API server says that the caller lacks a verb that the rollback needs. Helm finds out halfway: it cannot"
    " write its record, or leaves objects half changed.",
    "Grant the verbs that helm safe-rollback rbac RELEASE lists.",
    _run,
)
