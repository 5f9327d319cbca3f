"""What a run asks of the API server: the one table from which `rbac` makes a Role and PLAN its access reviews. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL
from helm_safe.core.objects import Gvk, Object, ObjectRef, gvk_of, namespace_of
from helm_safe.model.resources import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    POD_METRICS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
)
from helm_safe.model.revisions import Release, Revision
from helm_safe.model.snapshot import Resource, Served
from helm_safe.model.staging import Staging
from helm_safe.model.targets import sidecar_of
from helm_safe.model.warming import SAFE, WarmUp

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")  # the order in which people read them
HOOK_EVENTS = {"pre-rollback", "post-rollback"}
SCALED = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}


class Permission(NamedTuple):
    """One verb on one resource. namespace: empty for kinds of the whole cluster. spare: a run gets on without it."""

    verb: str
    resource: Resource
    namespace: str
    subresource: str = ""
    spare: bool = False


class Row(NamedTuple):
    """Calls that every run makes in the release's namespace, whatever the release consists of."""

    resource: Resource
    verbs: tuple[str, ...]
    subresource: str = ""
    spare: bool = False


# Helm reads, writes and prunes its records; we add the journal beside them.
RECORDS = ("get", "list", "create", "update", "delete")
ALWAYS = (
    Row(SECRETS, ("get", "list", "create", "patch", "delete")),
    Row(LEASES, ("get", "create", "patch")),
    Row(PODS, ("list",)),
    Row(PODS, ("get",), "log"),
    Row(PODS, ("get",), "proxy"),  # requests that warm new pods up, and what a pod says of itself
    Row(EVENTS, ("list",)),
    *(Row(resource, ("list",)) for resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS)),
    # Without it the same objects are listed again and again, as soon as the run finds out.
    *(Row(resource, ("watch",), spare=True) for resource in (PODS, EVENTS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS)),
)
PROXY_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# Read before anything else, unless --policy names a file: no access review has to ask for it again.
POLICY = Row(CONFIG_MAPS, ("get",))
# Helm reads each object, then patches it, or creates it where it is gone; we list its kind.
OBJECT = ("get", "list", "create", "patch")
# Helm makes the objects of a hook, watches them and deletes them.
HOOK = ("get", "list", "watch", "create", "delete")


def of_run(
    served: Served,
    release: Release,
    revisions: Sequence[Revision],
    *,
    deleted: Collection[ObjectRef],
    reads: Iterable[tuple[str, str]],
    records: Resource = SECRETS,
    policy: bool = False,
    staged: Iterable[Permission] = (),
) -> list[Permission]:
    """Every permission that a rollback between these revisions needs, each once.

    deleted: objects that the rollback may remove. reads: (group, kind) that the checks list; kinds that the server
    lacks are left out. records: the kind in which Helm keeps its records. policy: also to read the namespace's policy.
    staged: what moving users in steps needs (`of_staging`).
    """
    rows = [
        *_rows(release, (*ALWAYS, Row(records, RECORDS), *((POLICY,) if policy else ()))),
        *_objects(served, revisions, deleted),
        *_hooks(served, release, revisions),
        *_reads(served, release, reads),
        *staged,
    ]
    return list({_identity(row): row for row in rows}.values())


def of_staging(
    served: Served, release: Release, staging: Staging, made: Iterable[Gvk], scalers: Iterable[ObjectRef]
) -> Iterator[Permission]:
    """What moving users in steps needs; nothing where no workload is staged.

    made: kinds of the objects that a standby consists of. scalers: the autoscalers that are held.
    """
    if not staging.staged:
        return
    routes = {(ref.group, ref.kind) for ref in staging.routes}
    held = {(ref.group, ref.kind) for ref in scalers}
    wanted = [
        *((served.preferred(*kind), ("get", "patch")) for kind in sorted(routes | held)),
        *((served.get(gvk), ("get", "create", "delete")) for gvk in sorted(set(made))),
    ]
    for resource, verbs in wanted:
        if resource is not None:
            yield from _rows(release, (Row(resource, verbs),))
    yield from _rows(release, (Row(PODS, ("patch",)), Row(ENDPOINT_SLICES, ("get", "list", "create", "delete"))))


def of_guard(release: Release, staged: Iterable[Permission]) -> list[Permission]:
    """What an abort of a staged run needs: its journal and Lease, the routes, the pods, and what the run made.

    staged: `of_staging`. Its own Deployment is deleted in the end, too.
    """
    rows = (
        Row(SECRETS, ("get", "list", "create", "patch")),
        Row(LEASES, ("get", "patch")),
        Row(PODS, ("get", "list")),
        Row(PODS, ("get",), "log"),
        Row(EVENTS, ("list",)),
        Row(SERVICES, ("get", "list")),
        Row(DEPLOYMENTS, ("get", "list", "delete")),
        *(Row(resource, ("get", "list")) for resource in (STATEFUL_SETS, REPLICA_SETS)),
        *(Row(resource, ("patch",), "scale") for resource in SCALED.values()),
    )
    kept = [each for each in staged if each.verb in ("get", "list", "patch", "delete")]
    return list({_identity(each): each for each in (*_rows(release, rows), *kept)}.values())


def of_leaving_guard(served: Served, release: Release) -> Iterator[Permission]:
    """To make a guard beside the run, and to remove it."""
    group = "rbac.authorization.k8s.io"
    kinds = (("apps", "Deployment"), ("", "ServiceAccount"), (group, "Role"), (group, "RoleBinding"))
    for kind in kinds:
        resource = served.preferred(*kind)
        if resource is not None:
            yield from (Permission(verb, resource, release.namespace) for verb in ("get", "create", "delete"))


def of_neighbours(served: Served, followed: Iterable[ObjectRef], held: Iterable[ObjectRef]) -> Iterator[Permission]:
    """To read the objects of those that drive the release, and to suspend those that would undo its rollback."""
    wanted = [*((ref, ("get",)) for ref in followed), *((ref, ("get", "patch")) for ref in held)]
    for ref, verbs in wanted:
        resource = served.preferred(ref.group, ref.kind)
        if resource is not None:
            yield from (Permission(verb, resource, ref.namespace) for verb in verbs)


def of_warm_up(release: Release, wanted: WarmUp, pods: Iterable[Object] = ()) -> list[Permission]:
    """What warm-up requests need besides reading through the proxy: another verb, or forwarding a pod's port.

    pods: those whose mesh may turn the proxy away. A port is forwarded by a WebSocket, which is a GET; from 1.35 on the
    API server asks for `create` as well.
    """
    if not wanted.least:
        return []
    verbs = [] if wanted.tunnelled or wanted.method in SAFE else [PROXY_VERBS[wanted.method]]
    found = [Permission(verb, PODS, release.namespace, "proxy") for verb in verbs]
    if wanted.tunnelled or (wanted.via == "auto" and any(map(sidecar_of, pods))):
        found += [Permission(verb, PODS, release.namespace, "portforward") for verb in ("get", "create")]
    return found


def of_gateway(namespace: str) -> list[Permission]:
    """To read the metrics of a gateway's own pods."""
    return [Permission("list", PODS, namespace), Permission("get", PODS, namespace, "proxy")]


def of_service(namespace: str) -> Permission:
    """To ask a Prometheus through the API server."""
    return Permission("get", SERVICES, namespace, "proxy")


def of_pod_metrics(namespace: str) -> list[Permission]:
    """To ask for the CPU and memory of the pods behind a Service."""
    return [Permission("list", POD_METRICS, namespace), Permission("get", SERVICES, namespace)]


def changing(revisions: Sequence[Revision]) -> set[ObjectRef]:
    """Objects that some of the revisions have and others lack: a rollback between any two may delete them."""
    each: list[set[ObjectRef]] = [set(revision.objects) for revision in revisions]
    return set[ObjectRef]().union(*each) - each[0].intersection(*each) if each else set()


def to_review(
    permissions: Iterable[Permission], listed: Collection[tuple[str, str]], staged: Iterable[Permission] = ()
) -> list[Permission]:
    """Those that nothing else of PLAN proves. listed: (group, kind) that PLAN lists.

    The dry runs prove that the release's own objects may be written; the objects of the run itself, and what moves
    users in steps (`staged`), are not dry-run.
    """
    ours = {_identity(each) for each in staged}
    unproven = (each for each in permissions if not each.spare and not _listed(each, listed))
    return [each for each in unproven if _identity(each) in ours or not _tried(each)]


def _identity(each: Permission) -> tuple[str, ...]:
    """Rows of discovery and our own constants describe one kind differently; group and plural identify it."""
    return each.verb, each.resource.gvk.group, each.resource.plural, each.namespace, each.subresource


def _listed(each: Permission, listed: Collection[tuple[str, str]]) -> bool:
    return each.verb == "list" and (each.resource.gvk.group, each.resource.gvk.kind) in listed


def _tried(each: Permission) -> bool:
    own = each.resource.plural in (SECRETS.plural, LEASES.plural)
    return each.verb in ("create", "patch") and not each.subresource and not own


def roles(permissions: Iterable[Permission], release: Release) -> list[Object]:
    """A Role per namespace, and a ClusterRole where kinds of the whole cluster are concerned."""
    by_namespace: dict[str, list[Permission]] = {}
    for each in permissions:
        by_namespace.setdefault(each.namespace, []).append(each)
    ordered = sorted(by_namespace, key=lambda namespace: (namespace != release.namespace, namespace == "", namespace))
    return [_role(namespace, by_namespace[namespace], release) for namespace in ordered]


def _rows(release: Release, rows: Iterable[Row]) -> Iterator[Permission]:
    for row in rows:
        for verb in row.verbs:
            yield Permission(verb, row.resource, release.namespace, row.subresource, row.spare)


def _objects(served: Served, revisions: Sequence[Revision], deleted: Collection[ObjectRef]) -> Iterator[Permission]:
    for revision in revisions:
        for ref, obj in revision.objects.items():
            resource = served.of(obj)
            if resource is None:
                continue
            namespace = ref.namespace if resource.namespaced else ""
            for verb in (*OBJECT, *(("delete",) if ref in deleted else ())):
                yield Permission(verb, resource, namespace)
            if ref.group == "apps" and ref.kind in SCALED:
                yield Permission("patch", SCALED[ref.kind], namespace, "scale")


def _hooks(served: Served, release: Release, revisions: Sequence[Revision]) -> Iterator[Permission]:
    found = [hook for revision in revisions for hook in revision.hooks if HOOK_EVENTS & set(hook.events)]
    for obj in (obj for hook in found for obj in hook.objects):
        resource = served.of(obj)
        if resource:
            namespace = (namespace_of(obj) or release.namespace) if resource.namespaced else ""
            yield from (Permission(verb, resource, namespace) for verb in HOOK)


def _reads(served: Served, release: Release, reads: Iterable[tuple[str, str]]) -> Iterator[Permission]:
    for group, kind in reads:
        resource = served.preferred(group, kind)
        if resource:
            yield Permission("list", resource, release.namespace if resource.namespaced else "")


def _role(namespace: str, permissions: list[Permission], release: Release) -> Object:
    # Elsewhere a release of the same name in another namespace must not share the name.
    name = release.name if namespace == release.namespace else f"{release.namespace}-{release.name}"
    metadata: dict[str, Any] = {"name": f"helm-safe-{name}", "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": metadata,
        "rules": _rules(permissions),
    }


def _rules(permissions: list[Permission]) -> list[dict[str, Any]]:
    """One rule per API group and set of verbs, in a stable order."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for each in permissions:
        name = each.resource.plural + (f"/{each.subresource}" if each.subresource else "")
        verbs.setdefault((each.resource.gvk.group, name), set()).add(each.verb)
    rules: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, name), asked in sorted(verbs.items()):
        rules.setdefault((group, tuple(verb for verb in VERBS if verb in asked)), []).append(name)
    return [{"apiGroups": [group], "resources": names, "verbs": list(asked)} for (group, asked), names in rules.items()]


def grants_rights(revisions: Sequence[Revision]) -> list[str]:
    """Objects of the release that grant rights: whoever writes them must hold those rights, or the verb `escalate`."""
    group = "rbac.authorization.k8s.io"
    refs = {ref for revision in revisions for ref, obj in revision.objects.items() if gvk_of(obj).group == group}
    return sorted(str(ref) for ref in refs)
