"""Snapshots of state, each in a Secret beside the release record of its revision."""

from __future__ import annotations

from helm_safe.core.annotations import FORMAT_LABEL, MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.errors import Conflict
from helm_safe.model.photograph import FORMAT, BadPhotograph, Photograph
from helm_safe.model.resources import SECRETS
from helm_safe.model.revisions import History, Release
from helm_safe.ports import Cluster

SECRET_TYPE = "helm-safe.dev/snapshot"  # noqa: S105 - the type of an object
ROLE = "snapshot"


def name_of_photograph(release: Release, revision: int) -> str:
    return f"helm-safe.{release.name}.v{revision}.snapshot"


def store(cluster: Cluster, release: Release, photograph: Photograph) -> str:
    """Keep it in place of an older one of the same revision; returns the Secret's name.

    Raises BadPhotograph when it is too large, ClusterError subclasses as the API server says.
    """
    name = name_of_photograph(release, photograph.revision)
    secret = _secret(release, name, photograph)
    try:
        cluster.create(SECRETS, secret)
    except Conflict:
        ref = ObjectRef("", "Secret", release.namespace, name)
        body = {"data": secret["data"], "metadata": {"labels": secret["metadata"]["labels"]}}
        cluster.patch(SECRETS, ref, body, manager=MANAGED_BY)
    return name


def photographs(cluster: Cluster, release: Release) -> dict[int, Photograph | BadPhotograph]:
    """All that are kept, by revision; one that cannot be read is there as the reason why."""
    labels = f"{MANAGED_BY_LABEL}={MANAGED_BY},{ROLE_LABEL}={ROLE},{RELEASE_LABEL}={release.name}"
    found: dict[int, Photograph | BadPhotograph] = {}
    for secret in cluster.list(SECRETS, release.namespace, labels=labels).items:
        number = str(dig(secret, "metadata", "name") or "").rpartition(".v")[2].removesuffix(".snapshot")
        if number.isdigit():
            found[int(number)] = _read(secret)
    return found


def forget_pruned(cluster: Cluster, release: Release, history: History) -> None:
    """Delete the snapshots of revisions that Helm has pruned."""
    kept = {each.number for each in history.revisions}
    for number in photographs(cluster, release):
        if number not in kept:
            cluster.delete(SECRETS, ObjectRef("", "Secret", release.namespace, name_of_photograph(release, number)))


def _read(secret: Object) -> Photograph | BadPhotograph:
    try:
        return Photograph.decode(str(dig(secret, "data", "snapshot") or ""))
    except BadPhotograph as error:
        return error


def _secret(release: Release, name: str, photograph: Photograph) -> Object:
    labels = {
        MANAGED_BY_LABEL: MANAGED_BY,
        ROLE_LABEL: ROLE,
        RELEASE_LABEL: release.name,
        FORMAT_LABEL: str(FORMAT),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": release.namespace, "labels": labels},
        "type": SECRET_TYPE,
        "data": {"snapshot": photograph.encode()},
    }
