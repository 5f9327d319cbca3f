"""Objects that are live already when a build becomes a release: whose they are, and how they become the release's."""

from __future__ import annotations

from typing import NamedTuple

from helm_safe.core.annotations import MANAGED_BY_LABEL
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, gvk_of, labels_of, mapping, sequence
from helm_safe.model.errors import Blocked, Conflict, OutcomeUnknown
from helm_safe.model.revisions import Release, Revision
from helm_safe.model.snapshot import Resource, Served
from helm_safe.ports import Clock, Cluster

NAME, NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
HELM, HELM_MANAGER = "Helm", "helm"
APPLIERS = ("kubectl-client-side-apply", "kubectl", "kubectl-last-applied")
"""Field managers of kubectl; what they own, the release owns from now on."""
TRIES = 10
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
ESTABLISHED_WITHIN = 30.0
POLL = 0.5


class Stranger(NamedTuple):
    """A live object of the build that is not the release's yet."""

    ref: ObjectRef
    resource: Resource


def strangers(cluster: Cluster, served: Served, release: Release, wanted: Revision) -> list[Stranger]:
    """Live objects of a build that no release owns. Raises Blocked for those of another release."""
    found = []
    for ref, obj in wanted.objects.items():
        resource = served.of(obj)
        live = cluster.get(resource, ref.namespace, ref.name) if resource else None
        if resource is None or live is None or _is_ours(live, release):
            continue
        owner = annotations_of(live).get(NAME)
        if owner:
            raise Blocked(
                f"{ref} belongs to release {owner} in {annotations_of(live).get(NAMESPACE) or 'its namespace'}",
                "An object has one release: leave it out of the build, or uninstall it there (keeping it) first.",
            )
        found.append(Stranger(ref, resource))
    return found


def define(cluster: Cluster, clock: Clock, served: Served, release: Release, wanted: Revision) -> list[ObjectRef]:
    """Create the CustomResourceDefinitions of the build whose kinds it also uses and nobody serves yet; returns them.

    Helm looks up every kind before it creates the first object, and would refuse the build. They carry Helm's marks, so
    that they are the release's. Raises OutcomeUnknown where they are not established in time.
    """
    unserved = {gvk_of(obj)[::2] for obj in wanted.objects.values() if served.of(obj) is None}
    made = []
    for ref, obj in wanted.objects.items():
        kind = (str(dig(obj, "spec", "group")), str(dig(obj, "spec", "names", "kind")))
        resource = served.of(obj)
        if (ref.group, ref.kind) == CRD and kind in unserved and resource:
            marked = {**obj, "metadata": {**mapping(obj, "metadata"), **_marks(obj, release)}}
            cluster.patch(resource, ref, marked, kind="apply", manager=HELM_MANAGER)
            made.append(ref)
            _await_established(cluster, clock, resource, ref)
    return made


def _await_established(cluster: Cluster, clock: Clock, resource: Resource, ref: ObjectRef) -> None:
    deadline = clock.monotonic() + ESTABLISHED_WITHIN
    while clock.monotonic() < deadline:
        conditions = sequence(cluster.get(resource, ref.namespace, ref.name), "status", "conditions")
        if any((dig(each, "type"), dig(each, "status")) == ("Established", "True") for each in conditions):
            return
        clock.sleep(POLL)
    raise OutcomeUnknown(f"{ref} was created and is not established", "Look at its status, then deploy again.")


def adopt(cluster: Cluster, release: Release, stranger: Stranger) -> None:
    """Make a live object the release's: Helm's label and annotations, and, for server-side apply, kubectl's fields.

    Without the latter Helm 4 meets conflicts, and what a later build leaves out would stay for ever. Raises Conflict
    where the object keeps changing, Blocked where another release was quicker.
    """
    for _ in range(TRIES):
        live = cluster.get(stranger.resource, stranger.ref.namespace, stranger.ref.name)
        if live is None or _is_ours(live, release):
            return
        if annotations_of(live).get(NAME):
            raise Blocked(f"{stranger.ref} became another release's meanwhile", "Look who deploys it.")
        try:
            cluster.patch(
                stranger.resource, stranger.ref, _operations(live, release), kind="json", manager=HELM_MANAGER
            )
            return
        except Conflict:
            continue  # a controller writes status beside us
    raise Conflict(f"{stranger.ref} kept changing while it was adopted")


def _is_ours(live: Object, release: Release) -> bool:
    marks = annotations_of(live)
    mine = (marks.get(NAME), marks.get(NAMESPACE)) == (release.name, release.namespace)
    return mine and labels_of(live).get(MANAGED_BY_LABEL) == HELM


def _marks(obj: Object, release: Release) -> dict[str, dict[str, str]]:
    """Labels and annotations of an object with those by which Helm knows its own."""
    return {
        "labels": {**labels_of(obj), MANAGED_BY_LABEL: HELM},
        "annotations": {**annotations_of(obj), NAME: release.name, NAMESPACE: release.namespace},
    }


def _operations(live: Object, release: Release) -> list[Object]:
    metadata, marks = live["metadata"], _marks(live, release)
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": dig(metadata, "resourceVersion")},
        {"op": "add", "path": "/metadata/labels", "value": marks["labels"]},
        {"op": "add", "path": "/metadata/annotations", "value": marks["annotations"]},
        {"op": "add", "path": "/metadata/managedFields", "value": _migrated(sequence(metadata, "managedFields"))},
    ]


def _migrated(fields: list[Object]) -> list[Object]:
    """The entries of kubectl as one of Helm's own server-side apply; of several the newest tells what holds."""
    theirs = [each for each in fields if each.get("manager") in APPLIERS and not each.get("subresource")]
    others = [each for each in fields if each not in theirs]
    has_helm = any((each.get("manager"), each.get("operation")) == (HELM_MANAGER, "Apply") for each in fields)
    if not theirs or has_helm:
        return fields or [{}]
    newest = max(theirs, key=lambda each: str(each.get("time") or ""))
    return [*others, {**newest, "manager": HELM_MANAGER, "operation": "Apply"}]
