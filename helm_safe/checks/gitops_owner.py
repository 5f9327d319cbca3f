"""OWN-001: a GitOps controller owns the objects and would undo the rollback."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, INFO, Check
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import ObjectRef
from helm_safe.model.neighbours import GITOPS_KINDS, GitOwner, suspended
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for owner, refs in snapshot.git_owners.items():
        yield _finding(snapshot, owner, refs)


def _finding(snapshot: Snapshot, owner: GitOwner, refs: list[ObjectRef]) -> Finding:
    severity, tail, remedy = _verdict(snapshot, owner)
    return Finding(
        CHECK.id,
        severity,
        f"{owner.mark.controller} {owner.ref.kind} {owner.ref.name} owns objects of the release: {tail}",
        object=str(owner.ref),
        evidence=tuple(f"{ref} carries {owner.mark.mark}" for ref in refs[:5]),
        remediation=remedy,
    )


def _verdict(snapshot: Snapshot, owner: GitOwner) -> tuple[Severity, str, str]:
    live, asked = snapshot.live.get(owner.ref), snapshot.settings.resolved.value("gitops.sync")
    revert = f"Revert in its source, then: {owner.resume}"
    if live is not None and suspended(live):
        return INFO, "it is suspended and stays out of the way.", f"{revert}."
    if live is not None and asked == "suspend":
        return INFO, "this run suspends it, and leaves it so when the rollback is done.", f"{revert}."
    if live is not None and asked == "resume":
        return INFO, "this run suspends it, and resumes it in the end.", "Revert in its source before the run ends."
    why = "" if live is not None or asked == "refuse" else f" It was not found in namespace {owner.ref.namespace}."
    return (
        ERROR,
        f"it will undo the rollback at its next sync.{why}",
        f"Revert in its source, or suspend it for the rollback (--gitops suspend, or {owner.suspend}).",
    )


CHECK = Check(
    "OWN-001",
    "Owned by GitOps",
    ERROR,
    "Argo CD or Flux keeps the release's objects equal to a repository. Unless it is suspended it brings the bad"
    " revision back minutes after the rollback.",
    "Revert in the source repository, or have the run suspend the controller for this application (--gitops suspend).",
    _run,
    needs=GITOPS_KINDS,
)
