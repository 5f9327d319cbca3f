"""What the API server serves: two calls where it can aggregate (Kubernetes 1.26 and newer), else one per group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from helm_safe.core.objects import Gvk, dig, mapping, sequence
from helm_safe.model.errors import ClusterError
from helm_safe.model.snapshot import Resource, Served

ACCEPT = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")]
    + ["application/json"]
)
Read = Callable[[str], Any]
"""The JSON of a path; raises ClusterError."""
Rows = list[tuple[Gvk, Resource]]


def discover(read: Read, together: Callable[[list[Callable[[], tuple[Rows, str]]]], list[tuple[Rows, str]]]) -> Served:
    """All resources, each group's preferred version first. `together` runs calls in parallel.

    A group that cannot be asked is named in `failed_groups`; only a failure of /api and /apis themselves is an error.
    """
    core, groups = read("/api"), read("/apis")
    rows: Rows = []
    failed: list[str] = []
    classic: list[tuple[str, str]] = []
    for root in (core, groups):
        if root.get("kind") == "APIGroupDiscoveryList":
            found, stale = _aggregated(root)
            rows += found
            failed += stale
        else:
            classic += _group_versions(root)
    for found, broken in together([_asking(read, group, version) for group, version in classic]):
        rows += found
        failed += [broken] if broken else []
    resources: dict[Gvk, Resource] = {}
    for gvk, resource in rows:
        resources.setdefault(gvk, resource)
    return Served(resources, tuple(dict.fromkeys(failed)))


def _aggregated(root: Mapping[str, Any]) -> tuple[Rows, list[str]]:
    rows: Rows = []
    stale = []
    for item in sequence(root, "items"):
        group = str(dig(item, "metadata", "name") or "")
        for version in sequence(item, "versions"):
            name = str(dig(version, "version") or "")
            if dig(version, "freshness") == "Stale":
                stale.append(f"{group}/{name}")
            rows += _rows_of_version(group, name, version)
    return rows, stale


def _rows_of_version(group: str, version: str, listing: Any) -> Iterator[tuple[Gvk, Resource]]:
    for entry in sequence(listing, "resources"):
        kind = str(dig(entry, "responseKind", "kind") or "")
        if kind:
            namespaced = dig(entry, "scope") == "Namespaced"
            yield _row(group, version, kind, entry, namespaced=namespaced, name="resource")


def _group_versions(root: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if root.get("kind") == "APIVersions":
        yield from (("", str(version)) for version in sequence(root, "versions"))
    for group in sequence(root, "groups"):
        name, preferred = str(dig(group, "name") or ""), dig(group, "preferredVersion", "version")
        versions = [str(dig(version, "version")) for version in sequence(group, "versions")]
        for version in sorted(versions, key=lambda candidate: candidate != preferred):
            yield name, version


def _asking(read: Read, group: str, version: str) -> Callable[[], tuple[Rows, str]]:
    return lambda: _classic(read, group, version)


def _classic(read: Read, group: str, version: str) -> tuple[Rows, str]:
    try:
        listing = read(f"/apis/{group}/{version}" if group else f"/api/{version}")
    except ClusterError:
        return [], f"{group}/{version}"
    rows = [
        _row(group, version, str(entry.get("kind")), entry, namespaced=entry.get("namespaced") is True, name="name")
        for entry in sequence(mapping(listing), "resources")
        if isinstance(entry, dict) and "/" not in str(entry.get("name"))
    ]
    return rows, ""


def _row(
    group: str, version: str, kind: str, entry: Mapping[str, Any], *, namespaced: bool, name: str
) -> tuple[Gvk, Resource]:
    gvk = Gvk(group, version, kind)
    verbs = frozenset(str(verb) for verb in sequence(entry, "verbs"))
    return gvk, Resource(gvk, str(entry.get(name) or ""), namespaced, verbs)
