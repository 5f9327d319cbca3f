"""metrics.k8s.io as a metrics server answers it, so that autoscalers act and `kubectl top` works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from helm_safe.core import selectors
from helm_safe.core.objects import Object, labels_of, name_of, namespace_of
from helm_safe.core.quantities import quantity
from helm_safe.sandbox.agent.clock import Clock, stamp
from helm_safe.sandbox.agent.kubelet_api import Lives
from helm_safe.sandbox.agent.lifecycle import PodLife
from helm_safe.sandbox.agent.usage import IDLE_CORES, MEMORY, WINDOW

API_VERSION = "metrics.k8s.io/v1beta1"
ROOT = f"/apis/{API_VERSION}"


class MetricsApi:
    """The pods' and the node's use of processor and memory. The API server asks, and has judged who may."""

    def __init__(self, agent: Lives, clock: Clock, node: str) -> None:
        self._agent = agent
        self._clock = clock
        self._node = node

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(ROOT, self._discovery)
        app.router.add_get(f"{ROOT}/nodes", self._nodes)
        app.router.add_get(f"{ROOT}/nodes/{{name}}", self._one_node)
        for path in ("pods", "namespaces/{namespace}/pods"):
            app.router.add_get(f"{ROOT}/{path}", self._pods)
        app.router.add_get(f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}", self._one_pod)
        return app

    async def _discovery(self, _request: web.Request) -> web.Response:
        rows = [("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True)]
        resources = [
            {"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]}
            for name, kind, namespaced in rows
        ]
        listing = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION}
        return web.json_response(listing | {"resources": resources})

    async def _pods(self, request: web.Request) -> web.Response:
        namespace = request.match_info.get("namespace", "")
        found = [each for each in self._all_pods() if namespace in ("", namespace_of(each))]
        return _list("PodMetricsList", _selected(found, request.query))

    async def _one_pod(self, request: web.Request) -> web.Response:
        life = self._agent.find(request.match_info["namespace"], request.match_info["name"])
        metrics = _pod_metrics(life, self._clock) if life else None
        return web.json_response(metrics) if metrics else _absent("pods", request.match_info["name"])

    async def _nodes(self, request: web.Request) -> web.Response:
        return _list("NodeMetricsList", _selected([self._node_metrics()], request.query))

    async def _one_node(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self._node_metrics()) if name == self._node else _absent("nodes", name)

    def _all_pods(self) -> Iterator[Object]:
        for life in self._agent.lives.values():
            if metrics := _pod_metrics(life, self._clock):
                yield metrics

    def _node_metrics(self) -> Object:
        used = [each["usage"] for pod in self._all_pods() for each in pod["containers"]]
        cores = IDLE_CORES + sum(quantity(each["cpu"]) for each in used)
        memory = sum(quantity(each["memory"]) for each in used)
        usage = {"cpu": _nanocores(cores), "memory": f"{int(memory) >> 10}Ki"}
        metadata = {"name": self._node, "labels": {"kubernetes.io/hostname": self._node}}
        return _measured("NodeMetrics", metadata, self._clock) | {"usage": usage}


def _pod_metrics(life: PodLife, clock: Clock) -> Object | None:
    """None while a container does not run: half a pod would look idle."""
    containers = []
    for each in life.containers:
        if not each.spec.stays:
            continue
        if each.process is None or not each.running:
            return None
        cores = each.process.answering.cores(clock.now())
        containers.append({"name": each.spec.name, "usage": {"cpu": _nanocores(cores), "memory": MEMORY}})
    metadata = {"name": name_of(life.pod), "namespace": namespace_of(life.pod), "labels": labels_of(life.pod)}
    return _measured("PodMetrics", metadata, clock) | {"containers": containers}


def _measured(kind: str, metadata: Object, clock: Clock) -> Object:
    now = stamp(clock.wall())
    head = {"kind": kind, "apiVersion": API_VERSION, "metadata": metadata | {"creationTimestamp": now}}
    return head | {"timestamp": now, "window": f"{WINDOW}s"}


def _nanocores(cores: float) -> str:
    return f"{round(cores * 1e9)}n"


def _selected(found: Iterable[Object], query: Mapping[str, str]) -> list[Object]:
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    return [each for each in found if selectors.labels_match(labels, each) and selectors.fields_match(fields, each)]


def _list(kind: str, items: list[Object]) -> web.Response:
    return web.json_response({"kind": kind, "apiVersion": API_VERSION, "metadata": {}, "items": items})


def _absent(plural: str, name: str) -> web.Response:
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    status |= {"message": f'{plural}.metrics.k8s.io "{name}" not found', "reason": "NotFound", "code": 404}
    return web.json_response(status, status=404)
