"""A shop with users: a release behind a gateway, its controllers and its Helm, watched for writes that hurt.

A Shop is a value: `copy.deepcopy` of it is the world as a killed run leaves it, in which another process can go on.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from helm_safe.core.annotations import ROLE_LABEL
from helm_safe.core.objects import Object, ObjectRef, labels_of, name_of, namespace_of, ref_of, sequence
from helm_safe.model.errors import Conflict
from helm_safe.model.policy import Resolved
from helm_safe.model.revisions import History, Revision, RevisionStatus
from helm_safe.model.snapshot import Resource
from helm_safe.ports import MetricProvider, NativeResult
from helm_safe.rollback.context import World
from tests.fakes.cluster import FakeCluster
from tests.fakes.controllers import FAILING, Behaviour, Controllers, weight_of
from tests.fakes.gateway import Gateway
from tests.fakes.releases import Failure
from tests.fakes.runs import RELEASE, START, FakeClock, FakeReporter, Helm, nobody

NAME, NAMESPACE = RELEASE.name, RELEASE.namespace
WRITES = frozenset({"create", "patch", "delete"})
PODS = 4
AT_WORK = timedelta(seconds=150)
BROKEN: Mapping[str, Behaviour] = {"2": FAILING}


class ShopCluster(FakeCluster):
    """A FakeCluster that looks at every write of ours. hurt: what a write did to users, in words.

    camera: called with words around every write of the main thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hurt: list[str] = []
        self.camera: Camera | None = None
        self.controllers: Controllers

    def patch(self, resource: Resource, ref: ObjectRef, *args: Any, **options: Any) -> Object:
        before = copy.deepcopy(self.objects.get((ref.group, ref.kind, ref.namespace, ref.name), {}))
        written = super().patch(resource, ref, *args, **options)
        if ref.kind == "HTTPRoute":
            self._look(before, written)
        return written

    def _look(self, before: Object, after: Object) -> None:
        """No share for a Service without pods that had none before, never 0/0."""
        had = {(number, ref["name"]) for number, ref in _rows(before) if weight_of(ref)}
        for number, ref in _rows(after):
            behind = self.controllers.behind(namespace_of(after), ref["name"])
            if weight_of(ref) and (number, ref["name"]) not in had and not behind:
                self.hurt.append(f"{name_of(after)}: weight for {ref['name']}, which has no ready endpoint")
        for rule in sequence(after, "spec", "rules"):
            if not any(map(weight_of, sequence(rule, "backendRefs"))):
                self.hurt.append(f"{name_of(after)}: weights are all 0")

    def _before(self, verb: str, resource: Resource) -> None:
        super()._before(verb, resource)
        if verb in WRITES:
            self.photograph(f"before {verb} {resource.gvk.kind}")

    def _wrote(self, verb: str, resource: Resource, obj: Object) -> None:
        if verb == "delete" and labels_of(obj).get(ROLE_LABEL) == "standby":
            routes = [route for key, route in self.objects.items() if key[1] == "HTTPRoute"]
            used = {ref["name"] for route in routes for _, ref in _rows(route)}
            if resource.gvk.kind in ("Service", "Deployment") and name_of(obj) in used:
                self.hurt.append(f"{resource.gvk.kind}/{name_of(obj)} deleted while a route refers to it")
        super()._wrote(verb, resource, obj)
        self.photograph(f"after {verb} {resource.gvk.kind}/{name_of(obj)}")

    def photograph(self, words: str) -> None:
        if self.camera and threading.current_thread() is threading.main_thread():
            self.camera.shoot(words)


class Camera:
    """Copies of a shop, each as a process that is killed there would leave it; equal ones are taken once."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.photos: list[tuple[str, Shop]] = []
        self._last = (-1, -1, -1)

    def __deepcopy__(self, memo: object) -> None:
        """A copy of a shop has no camera."""
        return

    def shoot(self, words: str) -> None:
        cluster, helm = self.shop.cluster, self.shop.helm
        now = (cluster._version, len(helm.calls), helm.killed)
        if now != self._last:
            self._last = now
            cluster.reads.clear()
            cluster._events.clear()
            self.photos.append((words, copy.deepcopy(self.shop)))


class ShopHelm(Helm):
    """A Helm whose process is a process: it lives on when ours is killed, or is killed as well.

    late: what it does when its time has come. killed: calls that never ended.
    """

    late: tuple[datetime, Revision, Revision] | None = None
    killed = 0

    def wait(self, seconds: float) -> None:
        """Time passes."""
        if self.late and self.cluster.clock() >= self.late[0]:
            _, before, target = self.late
            self.late = None
            self.change(before, target)
            self._supersede(RELEASE)
            self.set(RELEASE, before.number + 1, status=RevisionStatus.DEPLOYED)

    def _carry_out(self, history: History, target: Revision, failure: Failure | None) -> NativeResult:
        self._film(history, target)
        return super()._carry_out(history, target, failure)

    def _film(self, history: History, target: Revision) -> None:
        """The moments in the middle of a native rollback: its record is there, its objects are not all."""
        assert isinstance(self.cluster, ShopCluster)
        if self.cluster.camera is None:
            return
        before, known = dict(self.cluster.objects), list(self._revisions[RELEASE])
        pending = self._copy(RELEASE, history.last, target, RevisionStatus.PENDING_ROLLBACK)
        self._revisions[RELEASE] = [*known, pending]
        self.late = (self.cluster.clock() + AT_WORK, history.last, target)
        self.cluster.photograph("while helm is at work")
        self.late, self.killed = None, self.killed + 1
        self.cluster.photograph("helm killed before it wrote anything")
        with suppress(Conflict):
            self.change(history.last, target)
            self.cluster.photograph("helm killed after it wrote everything")
        self.cluster.objects, self._revisions[RELEASE], self.killed = before, known, self.killed - 1


@dataclass
class Shop:
    """The world of a run, and what it is made of. originals: objects as they were before it."""

    world: World
    cluster: ShopCluster
    helm: ShopHelm
    clock: FakeClock
    gateway: Gateway
    controllers: Controllers
    originals: dict[tuple[str, str], Object] = field(default_factory=dict)

    def spec(self, kind: str, name: str) -> Any:
        """The spec of an object, None where it is gone."""
        found = self.cluster.find(kind, name, NAMESPACE)
        return found and found["spec"]

    def original(self, kind: str, name: str) -> Any:
        return self.originals[kind, name]["spec"]

    def weights(self, route: str = NAME, rule: int = 0) -> dict[str, int]:
        refs = self.spec("HTTPRoute", route)["rules"][rule]["backendRefs"]
        return {ref["name"]: weight_of(ref) for ref in refs}

    def of_role(self, role: str) -> list[str]:
        """Our objects of a role, "Deployment/name"."""
        return [
            f"{key[1]}/{key[3]}" for key, obj in self.cluster.objects.items() if labels_of(obj).get(ROLE_LABEL) == role
        ]

    def traces(self) -> list[str]:
        """Objects of users that still carry a field manager of ours."""
        return [
            f"{key[1]}/{key[3]}"
            for key, obj in self.cluster.objects.items()
            if ROLE_LABEL not in labels_of(obj)
            and any(entry["manager"] == "helm-safe" for entry in sequence(obj, "metadata", "managedFields"))
        ]

    def words(self) -> list[str]:
        reporter = self.world.reporter
        assert isinstance(reporter, FakeReporter)
        return [event.message for event in reporter.events]


class Mute(FakeReporter):
    """A reporter whose copies begin anew: what a killed process said is not needed any more."""

    def __deepcopy__(self, memo: object) -> Mute:
        return Mute()


def shop(
    folder: Path,
    mode: str,
    before: Sequence[Object],
    after: Sequence[Object],
    *,
    beside: Sequence[Object] = (),
    behaviours: Mapping[str, Behaviour] = BROKEN,
    by_name: Collection[str] = (),
) -> Shop:
    """before: the manifest of revision 1, which is good; after: of revision 2, live. beside: objects of others.

    by_name: Services that users reach without a route.
    """
    cluster, clock = ShopCluster(), FakeClock()
    cluster.namespace, cluster.clock = NAMESPACE, clock.now
    controllers = Controllers(cluster, behaviours, busy=PODS)
    controllers.by_name = set(by_name)
    gateway = Gateway(cluster, controllers)
    cluster.controllers, cluster.on_write = controllers, controllers.on_write
    clock.passing = [gateway.wait, controllers.wait]
    helm = ShopHelm(cluster, mode, now=clock.now, after=controllers.run)
    clock.passing.append(helm.wait)
    for obj in beside:
        cluster.put(obj)
    chart = {ref_of(obj): obj for obj in (*beside, *after)}
    helm.deploy(RELEASE, *before, at=START - timedelta(hours=5))
    parts = 20 if any(obj.get("kind") == "StatefulSet" for obj in after) or by_name else 1  # pods come one by one
    for _ in range(parts):
        clock.sleep(60 / parts)
    helm.deploy(RELEASE, *after, at=START - timedelta(minutes=5))
    for key, obj in list(cluster.objects.items()):
        if key[1] == "Deployment" and "replicas" not in chart[ref_of(obj)]["spec"]:
            cluster.put({**obj, "spec": {**obj["spec"], "replicas": PODS}})
    for _ in range(parts):
        clock.sleep(600 / parts)
    world = World(cluster, helm, clock, Mute(), folder, Metrics(gateway), nobody)
    made = Shop(world, cluster, helm, clock, gateway, controllers)
    made.originals = {(key[1], key[3]): copy.deepcopy(obj) for key, obj in cluster.objects.items()}
    gateway.stranded, gateway.fewest = 0.0, None
    return made


@dataclass
class Metrics:
    """Opens the gateway's counters, whatever the settings say."""

    gateway: Gateway

    def __call__(self, _: Resolved) -> MetricProvider:
        return self.gateway


def photographs(shop: Shop, act: Callable[[Shop], object]) -> list[tuple[str, Shop]]:
    """Let a run act, and the shop as it was around each of its writes and its native call."""
    camera = shop.cluster.camera = Camera(shop)
    try:
        act(shop)
    finally:
        shop.cluster.camera = None
    return camera.photos


# --- manifests ---


def deployment(tag: str, name: str = NAME, *, replicas: int | None = PODS, config: str = "", **spec: Any) -> Object:
    """replicas: None leaves them out, as charts with an autoscaler do. config: the ConfigMap that the pods read."""
    container: Object = {
        "name": "app",
        "image": f"shop/{name.removesuffix('-stable')}:{tag}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    }
    if config:
        container["envFrom"] = [{"configMapRef": {"name": config}}]
    spec |= {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return _object("apps/v1", "Deployment", name, spec=spec)


def stateful(tag: str, name: str = NAME, *, replicas: int = PODS, **spec: Any) -> Object:
    made = deployment(tag, name, replicas=replicas, serviceName=name, **spec)
    return {**made, "kind": "StatefulSet"}


def service(name: str = NAME, app: str = "") -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return _object("v1", "Service", name, spec={"selector": {"app": app or name}, "ports": ports})


def route(name: str = NAME, *backends: tuple[str, int | None], path: str = "/") -> Object:
    """A route with one rule to these Services; a weight of None is left out."""
    refs = [
        {"name": service, "port": 80} | ({} if weight is None else {"weight": weight})
        for service, weight in backends or ((NAME, None),)
    ]
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": refs}
    spec = {"parentRefs": [{"name": "edge"}], "rules": [rule]}
    return _object("gateway.networking.k8s.io/v1", "HTTPRoute", name, spec=spec)


def config(mode: str, name: str = "settings") -> Object:
    return {**_object("v1", "ConfigMap", name), "data": {"mode": mode}}


def autoscaler(least: int = 2, most: int = 8, name: str = NAME) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", name, spec=spec)


def _object(api_version: str, kind: str, name: str, **body: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **body}


def _rows(route: Object) -> list[tuple[int, Any]]:
    return [
        (number, ref)
        for number, rule in enumerate(sequence(route, "spec", "rules"))
        for ref in sequence(rule, "backendRefs")
    ]
