"""A world for whole runs without a cluster: fakes behind the ports, a clock that jumps, a helm that applies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from helm_safe.core.objects import Object, dig
from helm_safe.model.errors import LostLease
from helm_safe.model.events import Event
from helm_safe.model.revisions import Release, Revision
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.rollback.context import World
from tests.fakes.cluster import FakeCluster
from tests.fakes.releases import FakeReleases

RELEASE = Release("prod", "checkout-api")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class FakeClock:
    """Sleeping takes no time; `monotonic` and `now` move together."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class FakeReporter:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


class FakeLock:
    """A Lease that is always ours, until `lost`; `asked` are requests of other processes."""

    def __init__(self) -> None:
        self.epoch = 1
        self.lost = False
        self.asked: list[str] = []

    def check(self) -> None:
        if self.lost:
            raise LostLease("taken over")

    def requests(self) -> list[str]:
        return self.asked

    def release(self) -> None:
        return


class NoMetrics:
    """A gateway whose numbers nobody can read."""

    def sample(self, backends: object) -> Mapping[Backend, Sample]:
        raise NoData("no gateway here")


def deployment(tag: str, replicas: int | None = None, **template: object) -> Object:
    """The workload of the tests; `replicas` None leaves the field out, as charts with an autoscaler do."""
    spec: Object = {
        "selector": {"matchLabels": {"app": "checkout-api"}},
        "template": {
            "metadata": {"labels": {"app": "checkout-api"}},
            "spec": {"containers": [{"name": "app", "image": f"shop/checkout-api:{tag}"}], **template},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout-api", "namespace": "prod"},
        "spec": spec,
    }


def healthy(obj: Object) -> Object:
    """The object as its controller leaves it when all pods are up."""
    if obj.get("kind") != "Deployment":
        return obj
    count = dig(obj, "spec", "replicas")
    count = 1 if count is None else count
    numbers = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
    return {**obj, "status": {"observedGeneration": 1_000_000, **numbers}}


class Helm(FakeReleases):
    """A FakeReleases whose rollback changes the FakeCluster as Helm does: what the manifest omits stays as it is."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(apply=self.change)
        self.cluster = cluster

    def change(self, current: Revision, target: Revision) -> None:
        for ref, obj in target.objects.items():
            live = self.cluster.find(ref.kind, ref.name, ref.namespace)
            wanted = {**obj, "spec": dict(obj["spec"])} if "spec" in obj else dict(obj)
            if live and ref.kind == "Deployment" and "replicas" not in obj["spec"]:
                wanted["spec"]["replicas"] = live["spec"].get("replicas", 1)
            self.cluster.put(healthy(wanted))
        for ref in current.objects:
            if ref not in target.objects:
                self.cluster.objects = {k: o for k, o in self.cluster.objects.items() if k[1:] != ref[1:]}


def world(folder: Path, cluster: FakeCluster | None = None) -> World:
    """Revision 1 good, revision 2 live, 4 pods that the chart does not count."""
    if cluster is None:
        cluster = FakeCluster([healthy(deployment("2", 4))])
    cluster.on_write = lambda verb, obj: settle(cluster, verb, obj)
    clock = FakeClock()
    cluster.clock = clock.now
    releases = Helm(cluster)
    releases.upgrade(RELEASE, deployment("1"), at=START - timedelta(hours=5))
    releases.upgrade(RELEASE, deployment("2"), at=START - timedelta(minutes=5))
    return World(cluster, releases, clock, FakeReporter(), folder, lambda _: NoMetrics())


def settle(cluster: FakeCluster, verb: str, obj: Object) -> None:
    """Play the controllers: a Deployment that was written is up at once."""
    if verb == "patch" and obj.get("kind") == "Deployment":
        for key, stored in list(cluster.objects.items()):
            if key[1] == "Deployment":
                cluster.objects[key] = healthy(stored)
