"""Requests to a pod, by proxy and by port-forward: what holds for the real API server holds for the fake."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import pytest

from helm_safe.core.objects import Object, dig
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import Invalid, Missing
from helm_safe.model.resources import PODS
from helm_safe.ports import Ask, Cluster
from tests.contract.real import real_cluster
from tests.fakes.cluster import FakeCluster

PORT, SILENT = 8080, 81
PAY = PodRequest("/pay")


class World(NamedTuple):
    """A pod `good` that answers 200, and a pod `broken` that answers 500."""

    cluster: Cluster
    namespace: str

    @contextmanager
    def ask(self, way: str, pod: str = "good", port: int = PORT) -> Iterator[Ask]:
        if way == "proxy":
            yield partial(self.cluster.proxied, self.namespace, pod, port)
            return
        with self.cluster.forwarded(self.namespace, pod, port) as ask:
            yield ask


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    namespace = f"contract-{uuid.uuid4().hex[:8]}"
    if request.param == "fake":
        fake = FakeCluster()
        fake.servers[namespace, "good"] = fake.servers[namespace, "broken"] = _silent
        fake.ports[namespace, "good", PORT] = lambda *_: Proxied(200, {"x-pod": "good"}, b"ok" * 40, 0.001)
        fake.ports[namespace, "broken", PORT] = lambda *_: Proxied(500, {"x-pod": "broken"}, b"", 0.001)
        yield World(fake, namespace)
        return
    with real_cluster(request.getfixturevalue("sandbox"), namespace) as cluster:
        for name in ("good", "broken"):
            cluster.create(PODS, _pod(name, namespace))
            _until(lambda name=name: dig(cluster.get(PODS, namespace, name), "status", "phase") == "Running")
            _until(lambda name=name: cluster.proxied(namespace, name, PORT, PodRequest("/healthz")).status == 200)
        yield World(cluster, namespace)


def _silent(*_: str) -> Proxied:
    return Proxied(0, {}, b"connection refused", 0.0)


def _pod(name: str, namespace: str) -> Object:
    container = {"name": "app", "image": f"shop/api:1-{name}", "ports": [{"containerPort": PORT}]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


ways = pytest.mark.parametrize("way", ["proxy", "port-forward"])


@ways
def test_what_the_pod_says_is_the_answer(world: World, way: str) -> None:
    """Also when it is an error; again and again over one opening."""
    for pod, status in (("good", 200), ("broken", 500)):
        with world.ask(way, pod) as ask:
            found = [ask(PodRequest("/pay?limit=1", method)) for method in ("GET", "GET", "HEAD")]
        assert [each.status for each in found] == [status] * 3
        assert {each.headers["x-pod"] for each in found} == {pod}
        assert all(each.seconds > 0 for each in found)


@ways
def test_a_port_without_a_listener_gives_no_answer_and_says_so(world: World, way: str) -> None:
    with world.ask(way, port=SILENT) as ask:
        found = ask(PAY)
    assert found.status == 0
    assert found.body


@ways
def test_a_pod_that_is_not_there_is_missing(world: World, way: str) -> None:
    with world.ask(way, "nobody") as ask, pytest.raises(Missing):
        ask(PAY)


@ways
@pytest.mark.parametrize("path", ["pay", "/../../secrets", "/a\r\nX: y"])
def test_a_path_never_leaves_the_pod(world: World, way: str, path: str) -> None:
    with world.ask(way) as ask, pytest.raises(Invalid):
        ask(PodRequest(path))


@ways
def test_a_long_answer_is_cut_and_the_next_one_is_whole(world: World, way: str) -> None:
    with world.ask(way) as ask:
        assert len(ask(PodRequest("/pay", limit=5)).body) == 5
        assert len(ask(PAY).body) > 50


@ways
def test_several_threads_may_ask_at_once(world: World, way: str) -> None:
    with world.ask(way) as ask, ThreadPoolExecutor(4) as pool:
        assert [each.status for each in pool.map(lambda _: ask(PAY), range(40))] == [200] * 40


def test_a_callers_header_goes_by_port_forward_only(world: World) -> None:
    """The API server would read it as its own."""
    request = PodRequest("/pay", headers={"Authorization": "Bearer of-the-shop"})
    with world.ask("proxy") as ask, pytest.raises(Invalid):
        ask(request)
    with world.ask("port-forward") as ask:
        assert ask(request).status == 200
