"""Two rendered manifests instead of a release: what a rollback from the newer to the older one would meet. No cluster.

The newer manifest is taken for what is live. Whatever only a cluster knows is unverified, never ok.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from helm_safe.checks.run import NOBODY, needs, run_checks
from helm_safe.core.findings import Finding, Status
from helm_safe.core.objects import Gvk, Object, ObjectRef, annotations_of, gvk_of, name_of
from helm_safe.core.redact import hash_secret
from helm_safe.core.yamlio import dump
from helm_safe.helm.parsing import objects_of
from helm_safe.model.changes import Change
from helm_safe.model.revisions import History, Hook, Release, Revision, RevisionStatus
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import HelmVersion, Resource, Served, Snapshot
from helm_safe.rollback.discovery import sharing

HOOK, WEIGHT = "helm.sh/hook", "helm.sh/hook-weight"
CLUSTER_KINDS = (
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
    ("networking.k8s.io", "IngressClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("apiregistration.k8s.io", "APIService"),
    ("gateway.networking.k8s.io", "GatewayClass"),
)


def findings(release: Release, older: str, newer: str, settings: Settings, now: datetime) -> list[Finding]:
    """What the checks find; of each what it could not look at is said once. Raises UndecodableError for no YAML."""
    snapshot = snapshot_of(release, older, newer, settings, now)
    seen: set[str] = set()
    found = []
    for each in run_checks(snapshot):
        if each.status is Status.UNVERIFIED:
            if each.check in seen:
                continue
            seen.add(each.check)
        found.append(each)
    return found


def snapshot_of(release: Release, older: str, newer: str, settings: Settings, now: datetime) -> Snapshot:
    """Revision 1 is the older manifest, revision 2 the newer one and what is live."""
    target = _revision(release, 1, older, RevisionStatus.SUPERSEDED, now)
    current = _revision(release, 2, newer, RevisionStatus.DEPLOYED, now)
    live = {ref: hash_secret(obj) if ref.kind == "Secret" else obj for ref, obj in current.objects.items()}
    own = {(ref.group, ref.kind) for each in (target, current) for ref in each.objects}
    made = Snapshot(
        history=History(release, (target, current)),
        change=Change(current, target),
        served=_served({**target.objects, **current.objects}),
        live=live,
        listed=frozenset(),
        denied=dict.fromkeys({*needs(), *own}, NOBODY),
        helm=HelmVersion(4, 0),
        settings=settings,
        now=now,
    )
    return replace(made, sharing=sharing(made.change, made.around))


def _revision(release: Release, number: int, text: str, status: RevisionStatus, now: datetime) -> Revision:
    """Hooks are told from the other objects by their annotation, as `helm template` prints them."""
    found = objects_of(text, release, _served({}))
    hooks = {ref: obj for ref, obj in found.items() if HOOK in annotations_of(obj)}
    return Revision(
        number=number,
        status=status,
        manifest=text,
        deployed_at=now,
        objects={ref: obj for ref, obj in found.items() if ref not in hooks},
        hooks=tuple(_hook(obj) for obj in hooks.values()),
    )


def _hook(obj: Object) -> Hook:
    events = tuple(each.strip() for each in str(annotations_of(obj)[HOOK]).split(","))
    weight = str(annotations_of(obj).get(WEIGHT, "0"))
    number = int(weight) if weight.lstrip("-").isdigit() else 0
    return Hook(name_of(obj), gvk_of(obj).kind, "", events, number, dump(obj), (obj,))


def _served(objects: Mapping[ObjectRef, Object]) -> Served:
    """Every kind that the manifests or the checks name counts as served: absence proves nothing here."""
    rows = {Gvk(group, "v1", kind): False for group, kind in CLUSTER_KINDS}
    rows |= {Gvk(group, "v1", kind): (group, kind) not in CLUSTER_KINDS for group, kind in needs()}
    rows |= {gvk_of(obj): bool(ref.namespace) for ref, obj in objects.items()}
    return Served({gvk: Resource(gvk, f"{gvk.kind.lower()}s", namespaced) for gvk, namespaced in rows.items()})
