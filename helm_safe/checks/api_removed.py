"""API-REM-001: a kind that Helm must build is not served by this cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import rollback_hooks
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Gvk, gvk_of, name_of
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not snapshot.served.resources:
        yield CHECK.unverified("Whether every kind is still served is unknown: API discovery gave no answer.")
        return
    for gvk, users in _kinds(snapshot).items():
        if snapshot.served.get(gvk) is None:
            yield _finding(snapshot, gvk, tuple(users))


def _kinds(snapshot: Snapshot) -> dict[Gvk, list[str]]:
    """Every kind that Helm builds during the rollback, with the objects that use it."""
    found: dict[Gvk, list[str]] = defaultdict(list)
    for revision in (snapshot.change.current, snapshot.change.target):
        for ref, obj in revision.objects.items():
            found[gvk_of(obj)].append(f"revision {revision.number}: {ref}")
    for hook in rollback_hooks(snapshot):
        for obj in hook.objects:
            found[gvk_of(obj)].append(f"hook {hook.name}: {gvk_of(obj).kind}/{name_of(obj)}")
    return {gvk: users for gvk, users in found.items() if gvk.kind and gvk.version}


def _finding(snapshot: Snapshot, gvk: Gvk, users: tuple[str, ...]) -> Finding:
    if gvk.group in snapshot.served.failed_groups:
        return CHECK.unverified(f"Whether {gvk} is served is unknown: its API group does not answer.", *users[:5])
    other = snapshot.served.preferred(gvk.group, gvk.kind)
    instead = f"served instead: {other.gvk}" if other else f"no version of {gvk.kind} is served"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{gvk} is not served by this cluster: Helm could not build its object list and would leave the release"
        " pending.",
        object=users[0].partition(": ")[2],
        field="apiVersion",
        evidence=(instead, *users[:5]),
        remediation=CHECK.remedy,
    )


CHECK = Check(
    "API-REM-001",
    "API removed",
    ERROR,
    "The current or the target manifest, or a hook of the rollback, uses a kind or version that discovery does not"
    " list. Helm fails after it has written its record, and then refuses every upgrade.",
    "Rewrite the stored records with the plugin mapkubeapis (helm mapkubeapis RELEASE), install the missing CRD, or"
    " roll forward.",
    _run,
    waivable=False,
)
