"""An API server in memory: the Cluster port with the rules that the product relies on.

Versions, conflicts, selectors, field managers, generations, uids, watches and faults. What a controller would do after
a write can be played with `on_write`. The contract tests hold it to the behaviour of the real server.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from helm_safe.core import selectors
from helm_safe.core.objects import Gvk, Object, ObjectRef, dig, gvk_of, mapping, name_of, namespace_of, sequence
from helm_safe.kube import forwarding
from helm_safe.kube.settle import precondition
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import ClusterError, Conflict, Forbidden, Invalid, Missing
from helm_safe.model.snapshot import DryRun, Resource, Served
from helm_safe.model.times import parse_time
from helm_safe.ports import Ask, Check, Cluster, Keep, Listing, PatchType, ProxiedKind, whole
from tests.fakes import fencing, merging, rules
from tests.fakes.following import FakeFollowing
from tests.fakes.rules import Key

Server = Callable[[str, str], Proxied]
"""Answers as a pod does: (method, path) -> its answer."""

_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})
_KINDS = (
    ("v1", "Namespace", "namespaces", False),
    ("v1", "Node", "nodes", False),
    ("v1", "PersistentVolume", "persistentvolumes", False),
    ("v1", "ConfigMap", "configmaps", True),
    ("v1", "Secret", "secrets", True),
    ("v1", "Service", "services", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("v1", "Pod", "pods", True),
    ("v1", "Event", "events", True),
    ("v1", "Endpoints", "endpoints", True),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
    ("v1", "ReplicationController", "replicationcontrollers", True),
    ("v1", "ResourceQuota", "resourcequotas", True),
    ("v1", "LimitRange", "limitranges", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("apps/v1", "StatefulSet", "statefulsets", True),
    ("apps/v1", "DaemonSet", "daemonsets", True),
    ("apps/v1", "ReplicaSet", "replicasets", True),
    ("apps/v1", "ControllerRevision", "controllerrevisions", True),
    ("batch/v1", "Job", "jobs", True),
    ("batch/v1", "CronJob", "cronjobs", True),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True),
    ("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", True),
    ("networking.k8s.io/v1", "Ingress", "ingresses", True),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    ("coordination.k8s.io/v1", "Lease", "leases", True),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", True),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", False),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", True),
    ("gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes", True),
    ("gateway.networking.k8s.io/v1", "Gateway", "gateways", True),
    ("networking.istio.io/v1", "VirtualService", "virtualservices", True),
    ("networking.istio.io/v1", "DestinationRule", "destinationrules", True),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", True),
    ("argoproj.io/v1alpha1", "Application", "applications", True),
    ("argoproj.io/v1alpha1", "Rollout", "rollouts", True),
    ("flagger.app/v1beta1", "Canary", "canaries", True),
)


def resource(api_version: str, kind: str, plural: str, namespaced: bool = True) -> Resource:
    return Resource(gvk_of({"apiVersion": api_version, "kind": kind}), plural, namespaced, _VERBS)


SERVED = Served({row.gvk: row for row in (resource(*kind) for kind in _KINDS)})


@dataclass
class Fault:
    """An error for the next calls of a verb ("get", "list", "create", "patch", "delete", "dry_run", "watch", "logs").

    kind: "" for every kind. after: the call takes effect before it fails. times: how often, -1 for ever.
    """

    verb: str
    error: ClusterError
    kind: str = ""
    after: bool = False
    times: int = 1


class FakeCluster:
    """helm_safe.ports.Cluster in memory. `writes` lists what took effect: (verb, ref).

    followed: plurals of the views that are open. silent: plurals whose watches tell nothing.
    """

    def __init__(self, objects: Iterable[Object] = (), *, served: Served = SERVED) -> None:
        self.objects: dict[Key, Object] = {}
        self.writes: list[tuple[str, ObjectRef]] = []
        self.reads: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.log_lines: dict[tuple[str, str, str, bool], str] = {}
        self.denied: set[tuple[str, str]] = set()
        self.followed: list[str] = []
        self.silent: set[str] = set()
        self.servers: dict[tuple[str, str], Server] = {}
        self.inside: dict[tuple[str, str], Server] = {}
        self.ports: dict[tuple[str, str, int | str], Server] = {}
        self.refusals: dict[ObjectRef, DryRun] = {}
        self.on_write: Callable[[str, Object], None] | None = None
        self.clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        self.compacted = 0
        self.namespace = "default"
        self._served = served
        self._version = 100
        self._events: list[tuple[int, str, Object]] = []
        for obj in objects:
            self.put(obj)

    # --- for tests ---

    def put(self, obj: Object) -> Object:
        """Store an object as another client would, without faults and without counting it as a write of ours."""
        key = self._key(obj)
        stored = rules.fresh(obj, self.clock()) if key not in self.objects else copy.deepcopy(obj)
        if key in self.objects:
            old = mapping(self.objects[key], "metadata")
            stored["metadata"] = {
                **stored["metadata"],
                "uid": old["uid"],
                "creationTimestamp": old["creationTimestamp"],
            }
        return self._store(key, stored, "MODIFIED" if key in self.objects else "ADDED")

    def fail(self, verb: str, error: ClusterError, *, kind: str = "", after: bool = False, times: int = 1) -> None:
        self.faults.append(Fault(verb, error, kind, after, times))

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """A copy of an object by its kind and name, for assertions."""
        found = next((o for k, o in self.objects.items() if k[1:] in ((kind, namespace, name), (kind, "", name))), None)
        return copy.deepcopy(found)

    # --- the port ---

    def fenced(self, check: Check) -> Cluster:
        return cast("Cluster", fencing.Fenced(self, check, ("create", "patch", "delete")))

    def served(self) -> Served:
        return self._served

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        self.reads.append(("get", resource.gvk.kind))
        self._before("get", resource)
        found = self.objects.get(_at(resource, namespace, name))
        return self._as(resource, found) if found else None

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        self.reads.append(("list", resource.gvk.kind))
        self._before("list", resource)
        return Listing(self.kept(resource, namespace, labels, fields), str(self._version))

    def kept(self, resource: Resource, namespace: str, labels: str, fields: str) -> list[Object]:
        """What a list has of the objects."""
        items = [self._as(resource, obj) for obj in self._matching(resource, namespace, labels, fields)]
        for item in items:
            item["metadata"].pop("managedFields", None)
        return items

    def create(self, resource: Resource, obj: Object) -> Object:
        self._before("create", resource)
        wanted = copy.deepcopy(obj)
        metadata = wanted.setdefault("metadata", {})
        if resource.namespaced:
            metadata.setdefault("namespace", self.namespace)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        key = _at(resource, namespace_of(wanted), name_of(wanted))
        if key in self.objects:
            raise Conflict(f'{resource.plural} "{name_of(wanted)}" already exists', status=409, reason="AlreadyExists")
        wanted.setdefault("apiVersion", resource.gvk.api_version)
        wanted.setdefault("kind", resource.gvk.kind)
        stored = self._store(key, rules.fresh(wanted, self.clock()), "ADDED")
        self._wrote("create", resource, stored)
        return self._as(resource, stored)

    def patch(
        self,
        resource: Resource,
        ref: ObjectRef,
        patch: object,
        *,
        kind: PatchType = "merge",
        manager: str = "",
        subresource: str = "",
        force: bool = False,
    ) -> Object:
        self._before("patch", resource)
        key = _at(resource, ref.namespace, ref.name)
        old = self.objects.get(key)
        if old is None and kind != "apply":
            raise Missing(f'{resource.plural} "{ref.name}" not found', status=404, reason="NotFound")
        new = self._patched(resource, key, old, patch, kind, manager or "unknown", force)
        if subresource == "status" and old:
            new = {**old, "status": new.get("status", {}), "metadata": new["metadata"]}
        stored = self._store(key, new, "MODIFIED" if old else "ADDED") if new != old else old
        self._wrote("patch", resource, stored)
        return self._as(resource, stored)

    def delete(
        self,
        resource: Resource,
        ref: ObjectRef,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> bool:
        self._before("delete", resource)
        key = _at(resource, ref.namespace, ref.name)
        found = self.objects.get(key)
        if found is None or (uid and dig(found, "metadata", "uid") != uid):
            return False
        if resource_version and dig(found, "metadata", "resourceVersion") != resource_version:
            raise Conflict("the object has been modified", status=409, reason="Conflict")
        if dig(found, "metadata", "finalizers"):
            found["metadata"].setdefault("deletionTimestamp", rules.stamp(self.clock()))
            self._store(key, found, "MODIFIED")
        else:
            del self.objects[key]
            self._remember("DELETED", found)
            self._collect(str(dig(found, "metadata", "uid")))
        self._wrote("delete", resource, found)
        return True

    def dry_run(self, resource: Resource, obj: Object, *, manager: str, force: bool) -> DryRun:
        self._before("dry_run", resource)
        key = _at(resource, namespace_of(obj) or self.namespace, name_of(obj))
        ref = ObjectRef(resource.gvk.group, resource.gvk.kind, key[2], key[3])
        if ref in self.refusals:
            return self.refusals[ref]
        if self._served.get(resource.gvk) is None:
            return DryRun(404, "NotFound", "the server could not find the requested resource")
        old = self.objects.get(key)
        try:
            self._patched(resource, key, old, obj, "apply", manager, force)
        except Conflict as conflict:
            return DryRun(409, "Conflict", conflict.message, conflict.causes)
        except Invalid as invalid:
            return DryRun(422, "Invalid", invalid.message)
        return DryRun(200 if old else 201)

    def watch(
        self, resource: Resource, namespace: str, *, since: str, seconds: float, labels: str = "", fields: str = ""
    ) -> Iterator[tuple[str, Object]]:
        """Everything since then; it ends there, as a real watch may at any time."""
        self._before("watch", resource)
        if int(since or 0) < self.compacted:
            raise Conflict("too old resource version", status=410, reason="Expired")
        for version, kind, obj in list(self._events):
            same = (gvk_of(obj).group, gvk_of(obj).kind) == (resource.gvk.group, resource.gvk.kind)
            if same and version > int(since or 0) and self._selected(obj, namespace, labels, fields):
                yield kind, self._as(resource, obj)

    def follow(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "", keep: Keep = whole
    ) -> FakeFollowing:
        return FakeFollowing(self, resource, (namespace, labels, fields), keep)

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        lines: int = 400,
        limit: int = 262144,
        since: float = 0.0,
    ) -> str:
        self.reads.append(("logs", pod))
        self._before("logs", SERVED.resources[Gvk("", "v1", "Pod")])
        text = self.log_lines.get((namespace, pod, container, previous), "")
        if since:
            floor = self.clock() - timedelta(seconds=since)
            kept = text.splitlines(keepends=True)
            text = "".join(line for line in kept if (parse_time(line.split(" ")[0]) or floor) >= floor)
        return "".join(text.splitlines(keepends=True)[-lines:])[-limit:]

    def allowed(self, verb: str, resource: Resource, namespace: str, subresource: str = "") -> bool:
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return (verb, plural) not in self.denied

    def proxied(
        self, namespace: str, name: str, port: int | str, request: PodRequest, *, kind: ProxiedKind = "pods"
    ) -> Proxied:
        self._asked("proxied", f"{name}:{port}{request.path}")
        forwarding.call(namespace, name, port, request)  # refuses what the real one refuses
        return _answer(self._server(namespace, name, port), request, f'{kind} "{name}"')

    @contextmanager
    def forwarded(self, namespace: str, name: str, port: int) -> Iterator[Ask]:
        """`inside` is what a pod answers to its own network, where that differs from `servers`."""
        pod = name.removeprefix("https:")

        def ask(request: PodRequest) -> Proxied:
            self._asked("forwarded", f"{name}:{port}{request.path}")
            forwarding.checked_path(request.path)
            server = self.inside.get((namespace, pod)) or self._server(namespace, name, port)
            return _answer(server, request, f'pods "{pod}"')

        yield ask

    @contextmanager
    def tunnel(self, namespace: str, pod: str, port: int) -> Iterator[tuple[str, int]]:
        """To whatever listens on the same port of this machine."""
        self._asked("tunnel", f"{pod}:{port}")
        yield "127.0.0.1", port

    def now(self) -> datetime:
        return self.clock()

    # --- inside ---

    def _asked(self, verb: str, what: str) -> None:
        self.reads.append((verb, what))
        self._before(verb, SERVED.resources[Gvk("", "v1", "Pod")])

    def _server(self, namespace: str, name: str, port: int | str) -> Server | None:
        """`servers` answer on every port of a pod that `ports` do not speak for."""
        pod = name.removeprefix("https:")
        return self.ports.get((namespace, pod, port)) or self.servers.get((namespace, pod))

    def _key(self, obj: Object) -> Key:
        found = self._served.of(obj)
        if found is None:
            raise AssertionError(f"the fake does not serve {gvk_of(obj)}")
        namespace = (namespace_of(obj) or self.namespace) if found.namespaced else ""
        return (gvk_of(obj).group, gvk_of(obj).kind, namespace, name_of(obj))

    def _before(self, verb: str, resource: Resource) -> None:
        plural = resource.plural
        if (verb, plural) in self.denied:
            raise Forbidden(f"may not {verb} {plural}", status=403, reason="Forbidden")
        self._fault(verb, resource, after=False)

    def _fault(self, verb: str, resource: Resource, *, after: bool) -> None:
        for fault in self.faults:
            if fault.verb == verb and fault.after == after and fault.times and fault.kind in ("", resource.gvk.kind):
                fault.times -= 1
                raise fault.error

    def _wrote(self, verb: str, resource: Resource, obj: Object) -> None:
        gvk = resource.gvk
        self.writes.append((verb, ObjectRef(gvk.group, gvk.kind, namespace_of(obj), name_of(obj))))
        if self.on_write:
            self.on_write(verb, copy.deepcopy(obj))
        self._fault(verb, resource, after=True)

    def _patched(
        self, resource: Resource, key: Key, old: Object | None, patch: Any, kind: PatchType, manager: str, force: bool
    ) -> Object:
        expected = precondition(kind, patch)
        if expected and (old is None or expected != dig(old, "metadata", "resourceVersion")):
            raise Conflict("the object has been modified", status=409, reason="Conflict")
        wanted_uid = "" if kind == "json" else str(dig(patch, "metadata", "uid") or "")
        if wanted_uid and old and wanted_uid != dig(old, "metadata", "uid"):
            raise Conflict("the uid differs", status=409, reason="Conflict")
        if kind == "apply":
            return rules.applied(resource, key, old, patch, manager, force, self.clock())
        base = old or {}
        try:
            if kind == "json":
                new = merging.json_patch(base, patch)
            else:
                new = (merging.merge if kind == "merge" else merging.strategic)(base, patch)
        except merging.PatchFailed as failed:
            # The real server answers 422 for a failed test as well.
            raise Invalid(f"the server rejected our request: {failed}", status=422, reason="Invalid") from None
        rules.refuse_immutable(old, new)
        for kept in ("uid", "creationTimestamp", "resourceVersion", "generation", "name", "namespace"):
            if kept in base["metadata"]:
                new["metadata"][kept] = base["metadata"][kept]
        return rules.managed(base, new, manager, self.clock())

    def _store(self, key: Key, obj: Object, event: str) -> Object:
        old = self.objects.get(key)
        metadata = obj["metadata"]
        if old is None:
            metadata["generation"] = 1
        elif rules.desired(old) != rules.desired(obj):
            metadata["generation"] = int(dig(old, "metadata", "generation") or 1) + 1
        else:
            metadata["generation"] = dig(old, "metadata", "generation") or 1
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self.objects[key] = obj
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.objects[key]
            event = "DELETED"
        self._events.append((self._version, event, copy.deepcopy(obj)))
        return obj

    def _remember(self, event: str, obj: Object) -> None:
        self._version += 1
        gone = copy.deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._events.append((self._version, event, gone))

    def _collect(self, uid: str) -> None:
        """The garbage collector: what the deleted object owned goes with it."""
        for key, obj in list(self.objects.items()):
            owners = sequence(obj, "metadata", "ownerReferences")
            if key in self.objects and any(owner.get("uid") == uid for owner in owners):
                del self.objects[key]
                self._remember("DELETED", obj)
                self._collect(str(dig(obj, "metadata", "uid")))

    def _matching(self, resource: Resource, namespace: str, labels: str, fields: str) -> list[Object]:
        gvk = resource.gvk
        rows = [(key, obj) for key, obj in self.objects.items() if key[:2] == (gvk.group, gvk.kind)]
        rows.sort(key=lambda row: row[0])
        return [obj for _, obj in rows if self._selected(obj, namespace, labels, fields)]

    def _selected(self, obj: Object, namespace: str, labels: str, fields: str) -> bool:
        here = not namespace or namespace_of(obj) in ("", namespace)
        return here and selectors.labels_match(labels, obj) and selectors.fields_match(fields, obj)

    def _as(self, resource: Resource, obj: Object) -> Object:
        return {**copy.deepcopy(obj), "apiVersion": resource.gvk.api_version, "kind": resource.gvk.kind}


def _answer(server: Server | None, request: PodRequest, asked: str) -> Proxied:
    if server is None:
        raise Missing(f"{asked} not found", status=404, reason="NotFound")
    answer = server(request.method, request.path)
    return answer._replace(body=answer.body[: request.limit])


def _at(resource: Resource, namespace: str, name: str) -> Key:
    if name in ("", ".", "..") or "/" in name or "/" in namespace or (resource.namespaced and not namespace):
        raise Invalid(f'"{namespace}/{name}" is not the name of an object', status=400)
    return (resource.gvk.group, resource.gvk.kind, namespace if resource.namespaced else "", name)
