"""A world for whole runs without a cluster: fakes behind the ports, a clock that jumps, a helm that applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from helm_safe.core.objects import Object, dig
from helm_safe.model.errors import Conflict, LostLease, UsageError
from helm_safe.model.events import Event
from helm_safe.model.policy import Resolved
from helm_safe.model.queries import Query
from helm_safe.model.records import Approval
from helm_safe.model.revisions import History, Release, Revision
from helm_safe.model.snapshot import HelmVersion
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.ports import NativeResult, QueryProvider
from helm_safe.rollback.context import Answering, World
from tests.fakes import applying
from tests.fakes.cluster import SERVED, FakeCluster
from tests.fakes.releases import NEWEST, Failure, FakeReleases
from tests.fakes.rules import Key

RELEASE = Release("prod", "checkout-api")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class FakeClock:
    """Sleeping takes no time; `monotonic` and `now` move together. passing: told of the seconds that pass."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.passing: list[Callable[[float], None]] = []

    def monotonic(self) -> float:
        return self.passed

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        for each in self.passing:
            each(seconds)


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

    def approvals(self) -> list[Approval]:
        return []

    def release(self) -> None:
        return


class NoMetrics:
    """A gateway whose numbers nobody can read."""

    def sample(self, backends: object, ago: float = 0.0) -> Mapping[Backend, Sample]:
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
    """A FakeReleases whose rollback changes the FakeCluster as Helm does: what the manifest omits stays as it is.

    mode: "ssa" as Helm 4 (a field that another manager changed is a conflict, and the revision failed), "csa" as
    Helm 3. after: plays the controllers when helm is done.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        mode: str = "csa",
        *,
        now: Callable[[], datetime] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        version = NEWEST if mode == "ssa" else HelmVersion(3, 22, 0)
        super().__init__(apply=self.change, version=version, now=now)
        self.cluster = cluster
        self.mode = mode
        self.after = after or self._heal

    def deploy(self, release: Release, *objects: Object, at: datetime | None = None) -> None:
        """Install or upgrade, with its effect on the cluster."""
        known = self._revisions.get(release, [])
        made = self.upgrade(release, *objects, at=at)
        self.change(known[-1] if known else replace(made, objects={}), made)

    def change(self, current: Revision, target: Revision) -> None:
        """Raises Conflict where a server-side apply meets fields of another manager."""
        for ref, obj in target.objects.items():
            key = self.cluster._key(obj)
            live = self.cluster.objects.get(key)
            new = self._written(key, live, current.objects.get(ref), obj)
            if new != live:
                self.cluster._store(key, new, "MODIFIED" if live else "ADDED")
        for ref, obj in current.objects.items():
            gone = None if ref in target.objects else self.cluster.objects.pop(self.cluster._key(obj), None)
            if gone:
                self.cluster._collect(str(dig(gone, "metadata", "uid")))
        self.after()

    def _written(self, key: Key, live: Object | None, before: Object | None, wanted: Object) -> Object:
        if self.mode == "csa":
            return applying.client_side(key, live, before, wanted, self.cluster.clock())
        resource = SERVED.of(wanted)
        assert resource
        return applying.server_side(resource, key, live, wanted, self.cluster.clock())

    def _carry_out(self, history: History, target: Revision, failure: Failure | None) -> NativeResult:
        try:
            return super()._carry_out(history, target, failure)
        except Conflict as conflict:
            result = super()._carry_out(history, target, Failure.UPDATE)
            return result._replace(output=f"Error: {conflict.message}: {conflict.causes}\n")

    def _heal(self) -> None:
        self.cluster.objects = {key: healthy(obj) for key, obj in self.cluster.objects.items()}


def nobody(_: Resolved) -> Answering:
    """Queries of the user's have no answer here."""

    def refuse(query: Query) -> QueryProvider:
        raise UsageError(f"nobody answers the query {query.name}")

    return refuse


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
    return World(cluster, releases, clock, FakeReporter(), folder, lambda _: NoMetrics(), nobody)


def settle(cluster: FakeCluster, verb: str, obj: Object) -> None:
    """Play the controllers: a Deployment that was written is up at once."""
    if verb == "patch" and obj.get("kind") == "Deployment":
        for key, stored in list(cluster.objects.items()):
            if key[1] == "Deployment":
                cluster.objects[key] = healthy(stored)
