"""The Cluster port on the real API server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from helm_safe.core.objects import Object, ObjectRef, dig, mapping, name_of, namespace_of, sequence
from helm_safe.core.redact import redact, secret_literals
from helm_safe.kube import discovery, forwarding, watching, writes
from helm_safe.kube.answers import Answer, Call
from helm_safe.kube.client import Client
from helm_safe.kube.config import connection
from helm_safe.kube.following import SECONDS, KubeFollowing, Watch
from helm_safe.kube.paths import segment, target
from helm_safe.kube.workers import parallel
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import ClusterError, Conflict, Invalid, Missing
from helm_safe.model.snapshot import DryRun, Resource, Served
from helm_safe.ports import Ask, Check, Keep, Listing, PatchType, ProxiedKind, whole

PAGE = 500
LONG_LINES = 8
"""How much more of a log than is kept may be sent: its newest part comes last."""
WRITE_TIMEOUT = 65.0
"""Seconds: the API server itself gives up on a request, slow admission webhooks included, after 60."""
_PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class KubeCluster:
    """helm_safe.ports.Cluster; safe to share between threads. `client.calls` counts the requests."""

    def __init__(self, client: Client, check: Check = lambda: None) -> None:
        self.client = client
        self.namespace = client.connection.namespace
        self._check = check

    @classmethod
    def connect(cls, env: Mapping[str, str]) -> KubeCluster:
        """The cluster of Helm's environment; no request is sent yet. Raises Unreachable."""
        return cls(Client(connection(env)))

    def fenced(self, check: Check) -> KubeCluster:
        return KubeCluster(self.client, check)

    def close(self) -> None:
        self.client.close()

    def served(self) -> Served:
        return discovery.discover(self._read_json, parallel)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return _object(self.client.read(_reading(target("GET", resource, namespace, name))), "the object")
        except Missing:
            return None

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        call = _reading(target("GET", resource, namespace, named=False), *_selectors(labels, fields))
        return self._listed(call, resource, whole)

    def create(self, resource: Resource, obj: Object) -> Object:
        call = self._guarded(_writing(self._for(resource, obj, "POST"), obj))
        return writes.create(self.client, call, self._reader(resource, obj))

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
        query = [("fieldManager", manager)] if manager else []
        query += [("force", str(force).lower())] if kind == "apply" else []
        call = self._guarded(_writing(target("PATCH", resource, ref.namespace, ref.name, subresource), patch, *query))
        reading = _reading(target("GET", resource, ref.namespace, ref.name, subresource))
        return writes.patch(self.client, replace(call, content_type=_PATCHES[kind]), kind, reading)

    def delete(
        self,
        resource: Resource,
        ref: ObjectRef,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> bool:
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        bound = {"uid": uid, "resourceVersion": resource_version}
        if any(bound.values()):
            options["preconditions"] = {key: value for key, value in bound.items() if value}
        call = self._guarded(_writing(target("DELETE", resource, ref.namespace, ref.name), options))
        return writes.delete(self.client, call, uid, _reading(target("GET", resource, ref.namespace, ref.name)))

    def dry_run(self, resource: Resource, obj: Object, *, manager: str, force: bool) -> DryRun:
        query = (("dryRun", "All"), ("fieldManager", manager), ("force", str(force).lower()))
        try:
            call = _writing(self._for(resource, obj, "PATCH"), _without_managed_fields(obj), *query)
            call = replace(call, template=f"{call.template}?dryRun=All", what=call.what.replace("patch", "accept", 1))
            answer = self.client.read(replace(call, content_type=_PATCHES["apply"], repeatable=True))
        except ClusterError as refused:
            if refused.status == 401:
                raise
            literals = secret_literals(obj) if obj.get("kind") == "Secret" else {}
            causes = refused.causes if isinstance(refused, Conflict) else ()
            return DryRun(refused.status, refused.reason, redact(refused.message, literals), causes)
        return DryRun(answer.status)

    def watch(
        self, resource: Resource, namespace: str, *, since: str, seconds: float, labels: str = "", fields: str = ""
    ) -> Iterator[tuple[str, Object]]:
        call = _reading(target("GET", resource, namespace, named=False), *_selectors(labels, fields))
        return watching.watch(self.client, call, resource, since, seconds)

    def follow(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "", keep: Keep = whole
    ) -> KubeFollowing:
        call = _reading(target("GET", resource, namespace, named=False), *_selectors(labels, fields))

        def read() -> Listing:
            return self._listed(call, resource, keep)

        def watch(since: str) -> Watch:
            asked = watching.watching(call, since, SECONDS)
            stream = self.client.stream(asked, once=True)
            return Watch(stream, watching.events(stream, resource, asked))

        return KubeFollowing(read, watch, lambda obj: keep(_slim(obj)), resource.plural)

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
        query = (
            ("container", container),
            ("previous", str(previous).lower()),
            ("tailLines", str(lines)),
            ("limitBytes", str(LONG_LINES * limit)),
            ("timestamps", "true"),
            *((("sinceSeconds", str(math.ceil(since))),) if since else ()),
        )
        path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/log"
        template = "/api/v1/namespaces/{namespace}/pods/{name}/log"
        call = Call("GET", path, template, f"read the log of pod {pod}", query, accept="*/*", repeatable=True)
        try:
            return _newest(self.client.stream(call), limit)
        except (Missing, Invalid):
            # No such pod, container or earlier container: there is no log.
            return ""

    def allowed(self, verb: str, resource: Resource, namespace: str, subresource: str = "") -> bool:
        attributes = {
            "verb": verb,
            "group": resource.gvk.group,
            "version": resource.gvk.version,
            "resource": resource.plural,
            "namespace": namespace if resource.namespaced else "",
            "subresource": subresource,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self.client.read(Call("POST", path, path, "review access", body=body, repeatable=True))
        return dig(answer.value, "status", "allowed") is True

    def proxied(
        self, namespace: str, name: str, port: int | str, request: PodRequest, *, kind: ProxiedKind = "pods"
    ) -> Proxied:
        call = forwarding.call(namespace, name, port, request, kind=kind)
        return forwarding.proxied(self.client, call, request.limit)

    def forwarded(self, namespace: str, name: str, port: int) -> AbstractContextManager[Ask]:
        from helm_safe.kube.portforward import forwarded

        return forwarded(self.client, namespace, name, port)

    def tunnel(self, namespace: str, pod: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        from helm_safe.kube.tunnel import tunnelled

        return tunnelled(self.client, namespace, pod, port)

    def now(self) -> datetime:
        if self.client.server_time() is None:
            self._read_json("/version")
        return self.client.server_time() or datetime.now(timezone.utc)

    def _guarded(self, call: Call) -> Call:
        return replace(call, guard=self._check)

    def _read_json(self, path: str) -> Any:
        accept = discovery.ACCEPT if path in ("/api", "/apis") else "application/json"
        call = Call("GET", path, path, f"read {path}", accept=accept, repeatable=True)
        return mapping(self.client.read(call).value)

    def _listed(self, call: Call, resource: Resource, keep: Keep) -> Listing:
        try:
            return self._pages(call, resource, keep, limit=PAGE)
        except Conflict as gone:
            if gone.status != 410:
                raise
            # The state that the pages were cut from is gone: one answer with everything cannot expire.
            return self._pages(call, resource, keep, limit=0)

    def _pages(self, call: Call, resource: Resource, keep: Keep, *, limit: int) -> Listing:
        items: list[Object] = []
        more = ""
        while True:
            page = [("limit", str(limit))] if limit else []
            page += [("continue", more)] if more else []
            answer = _object(self.client.read(replace(call, query=(*call.query, *page))), "the list")
            kept = (keep(_slim(_typed(item, resource))) for item in sequence(answer, "items"))
            items += (obj for obj in kept if obj is not None)
            metadata = mapping(answer, "metadata")
            more = str(metadata.get("continue") or "")
            if not more:
                return Listing(items, str(metadata.get("resourceVersion") or ""))

    def _for(self, resource: Resource, obj: Object, verb: str) -> Call:
        """A call on the object; its namespace, where it names none, is the connection's."""
        namespace = (namespace_of(obj) or self.namespace) if resource.namespaced else ""
        return target(verb, resource, namespace, name_of(obj), named=verb != "POST")

    def _reader(self, resource: Resource, obj: Object) -> Call | None:
        """The call that reads a created object again; None where the server chooses the name."""
        return _reading(self._for(resource, obj, "GET")) if name_of(obj) else None


def _slim(obj: Object) -> Object:
    """Without managedFields, which are about half of a listed object and are read by nobody there."""
    mapping(obj, "metadata").pop("managedFields", None)
    return obj


def _reading(call: Call, *query: tuple[str, str]) -> Call:
    return replace(call, query=query, repeatable=True)


def _writing(call: Call, body: object, *query: tuple[str, str]) -> Call:
    return replace(call, body=body, query=query, read_timeout=WRITE_TIMEOUT)


def _selectors(labels: str, fields: str) -> tuple[tuple[str, str], ...]:
    pairs = (("labelSelector", labels), ("fieldSelector", fields))
    return tuple(pair for pair in pairs if pair[1])


def _typed(item: Any, resource: Resource) -> Object:
    """Items of a list come without their type."""
    return {"apiVersion": resource.gvk.api_version, "kind": resource.gvk.kind, **mapping(item)}


def _object(answer: Answer, what: str) -> Object:
    if not isinstance(answer.value, dict):
        raise ClusterError(f"The API server sent something else than {what}.", status=answer.status)
    return answer.value


def _without_managed_fields(obj: Object) -> Object:
    metadata = {key: value for key, value in mapping(obj, "metadata").items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def _newest(pieces: Iterable[bytes], limit: int) -> str:
    """The last `limit` bytes as text, from the first whole line of them."""
    kept = b""
    cut = False
    for piece in pieces:
        kept += piece
        if len(kept) > 2 * limit:
            kept, cut = kept[-limit:], True
    if cut or len(kept) > limit:
        kept = kept[-limit:]
        kept = kept[kept.find(b"\n") + 1 :]
    return kept.decode("utf-8", "replace")
