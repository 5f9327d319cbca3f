"""OWN-001: a GitOps controller owns the objects and would undo the rollback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.base import ERROR, INFO, Check
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, labels_of
from helm_safe.model.snapshot import Snapshot


class _Owner(NamedTuple):
    """How one controller marks what it owns, and how it is told to wait."""

    mark: str
    controller: str
    group: str
    kind: str
    suspend: str


_OWNERS = (
    _Owner(
        "argocd.argoproj.io/tracking-id",
        "Argo CD",
        "argoproj.io",
        "Application",
        "argocd app set {} --sync-policy none",
    ),
    _Owner(
        "argocd.argoproj.io/instance", "Argo CD", "argoproj.io", "Application", "argocd app set {} --sync-policy none"
    ),
    _Owner(
        "helm.toolkit.fluxcd.io/name", "Flux", "helm.toolkit.fluxcd.io", "HelmRelease", "flux suspend helmrelease {}"
    ),
    _Owner(
        "kustomize.toolkit.fluxcd.io/name",
        "Flux",
        "kustomize.toolkit.fluxcd.io",
        "Kustomization",
        "flux suspend kustomization {}",
    ),
)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    seen: dict[tuple[_Owner, str], list[ObjectRef]] = {}
    for ref, obj in _objects(snapshot):
        for owner in _OWNERS:
            name = _mark(obj, owner)
            if name:
                seen.setdefault((owner, name), []).append(ref)
    for (owner, name), refs in seen.items():
        yield _finding(snapshot, owner, name, refs)


def _objects(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, Object]]:
    """The release's objects as they are live, else as the current manifest states them."""
    for ref, obj in snapshot.change.current.objects.items():
        yield ref, snapshot.live.get(ref, obj)


def _mark(obj: Object, owner: _Owner) -> str:
    value = annotations_of(obj).get(owner.mark) or labels_of(obj).get(owner.mark)
    return str(value or "").partition(":")[0]


def _finding(snapshot: Snapshot, owner: _Owner, name: str, refs: list[ObjectRef]) -> Finding:
    waits = _suspended(snapshot, owner, name)
    tail = "it is suspended and stays out of the way." if waits else "it will undo the rollback at its next sync."
    return Finding(
        CHECK.id,
        INFO if waits else ERROR,
        f"{owner.controller} {owner.kind} {name} owns objects of the release: {tail}",
        object=f"{owner.kind}/{name}",
        evidence=tuple(f"{ref} carries {owner.mark}" for ref in refs[:5]),
        remediation="Resume it only after its source has been reverted as well."
        if waits
        else f"Revert in its source repository, or suspend it first ({owner.suspend.format(name)}) and accept.",
    )


def _suspended(snapshot: Snapshot, owner: _Owner, name: str) -> bool:
    for live in snapshot.of_kind(owner.group, owner.kind):
        if dig(live, "metadata", "name") != name:
            continue
        if owner.kind == "Application":
            return dig(live, "spec", "syncPolicy", "automated") is None
        return dig(live, "spec", "suspend") is True
    return False


CHECK = Check(
    "OWN-001",
    "Owned by GitOps",
    ERROR,
    "Argo CD or Flux keeps the release's objects equal to a repository. Unless it is suspended it brings the bad"
    " revision back minutes after the rollback.",
    "Revert in the source repository, or suspend the controller for this application and accept.",
    _run,
    needs=tuple(dict.fromkeys((owner.group, owner.kind) for owner in _OWNERS)),
)
