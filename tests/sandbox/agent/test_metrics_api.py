"""What pods use, and how a metrics server says it: quantities, selectors, and pods that are left out."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from helm_safe.sandbox.agent.answers import Answering
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.metrics_api import ROOT, MetricsApi
from helm_safe.sandbox.agent.podspec import container_specs
from helm_safe.sandbox.agent.roles import behaviour
from helm_safe.sandbox.agent.usage import IDLE_CORES, WINDOW, Recent


def test_requests_count_for_the_window_and_no_longer():
    recent = Recent()
    for tenth in range(200, 400):
        recent.add(tenth / 10)
    used = recent.cores(39.9, since=0, cost=0.01)
    assert used == pytest.approx(IDLE_CORES + 10 * 0.01)
    assert recent.cores(39.9 + WINDOW, since=0, cost=0.01) == IDLE_CORES


def test_a_young_process_is_measured_over_its_own_life():
    recent = Recent()
    for _ in range(20):
        recent.add(101.0)
    assert recent.cores(102.0, since=100.0, cost=0.01) == pytest.approx(IDLE_CORES + 0.1)
    assert recent.cores(101.1, since=101.0, cost=0.01) == pytest.approx(IDLE_CORES + 0.2)


def test_an_idle_process_uses_little():
    assert Recent().cores(5, since=0, cost=1) == IDLE_CORES


@pytest.mark.parametrize(
    ("given", "cost"), [({}, 0.001), ({"cpu-per-request": "20ms"}, 0.02), ({"cpu-per-request": "much"}, 0.001)]
)
def test_what_a_request_costs_is_a_parameter(given, cost):
    assert behaviour("shop/api:1", given).cpu_per_request == cost


def test_probes_cost_as_much_as_any_request():
    answering = Answering(behaviour("shop/api:1", {"cpu-per-request": "1s"}), started=0.0)
    for path in ("/healthz", "/ready", "/pay"):
        answering.answer("GET", path, 10.0)
    assert answering.cores(10.0) == pytest.approx(IDLE_CORES + 0.3)


class Lives:
    """Pods that live, by name: which containers run, and how many requests the first of them has answered."""

    def __init__(self):
        self.lives = {}

    def add(self, namespace, name, *, labels=None, requests=0, running=(True,), init=False):
        now = asyncio.get_running_loop().time()
        specs = [{"name": f"c{index}", "image": "shop/api:1"} for index, _ in enumerate(running)]
        pod = {
            "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
            "spec": {"containers": specs},
        }
        if init:
            pod["spec"]["initContainers"] = [{"name": "setup", "image": "shop/setup:1"}]
        found = {each.name: each for each in container_specs(pod)}
        containers = []
        for index, runs in enumerate(running):
            answering = Answering(behaviour("shop/api:1", {"cpu-per-request": "10ms"}), started=now - 60)
            for _ in range(requests):
                answering.answer("GET", "/", now)
            process = SimpleNamespace(answering=answering)
            containers.append(SimpleNamespace(spec=found[f"c{index}"], process=process, running=runs))
        if init:
            containers.append(SimpleNamespace(spec=found["setup"], process=None, running=False))
        self.lives[name] = SimpleNamespace(pod=pod, containers=containers)

    def find(self, namespace, name, _uid=""):
        life = self.lives.get(name)
        return life if life and life.pod["metadata"]["namespace"] == namespace else None


@pytest.fixture
def ask():
    """Answers to paths below the API's root, as (status, JSON), from the pods that `fill` adds."""

    def run(fill, *paths):
        async def tell():
            lives = Lives()
            fill(lives)
            async with TestClient(TestServer(MetricsApi(lives, Clock(), "node-1").app())) as client:
                found = []
                for path in paths:
                    async with client.get(ROOT + path) as response:
                        found.append((response.status, await response.json()))
                return found

        return asyncio.run(tell())

    return run


def names(answer):
    assert answer[0] == 200
    return [each["metadata"]["name"] for each in answer[1]["items"]]


def two_shops(lives):
    lives.add("shop", "web-1", labels={"app": "web", "tier": "front"}, requests=150)
    lives.add("shop", "db-1", labels={"app": "db"})
    lives.add("other", "web-2", labels={"app": "web"})


def test_lists_are_of_a_namespace_and_of_those_that_match(ask):
    every, shop, web, several, by_name = ask(
        two_shops,
        "/pods",
        "/namespaces/shop/pods",
        "/namespaces/shop/pods?labelSelector=app%3Dweb,tier",
        "/namespaces/shop/pods?labelSelector=app+in+(web,db),!tier",
        "/pods?fieldSelector=metadata.name%3Dweb-2",
    )
    assert names(every) == ["web-1", "db-1", "web-2"]
    assert names(shop) == ["web-1", "db-1"]
    assert names(web) == ["web-1"]
    assert names(several) == ["db-1"]
    assert names(by_name) == ["web-2"]


def test_a_pod_says_what_each_container_uses(ask):
    (answer,) = ask(two_shops, "/namespaces/shop/pods/web-1")
    status, pod = answer
    assert (status, pod["kind"], pod["window"]) == (200, "PodMetrics", "15s")
    assert pod["containers"] == [{"name": "c0", "usage": {"cpu": "101000000n", "memory": "64Mi"}}]
    assert pod["metadata"]["labels"] == {"app": "web", "tier": "front"}


def test_the_node_uses_what_its_pods_use(ask):
    listed, one, other = ask(two_shops, "/nodes", "/nodes/node-1", "/nodes/node-2")
    assert names(listed) == ["node-1"]
    assert one[1]["usage"] == {"cpu": "104000000n", "memory": f"{3 * 64 * 1024}Ki"}
    assert (other[0], other[1]["reason"]) == (404, "NotFound")


def test_a_pod_of_which_a_part_does_not_run_is_left_out(ask):
    def fill(lives):
        lives.add("shop", "half", running=(True, False))
        lives.add("shop", "whole", running=(True, True), init=True)

    listed, half, elsewhere = ask(fill, "/pods", "/namespaces/shop/pods/half", "/namespaces/other/pods/whole")
    assert names(listed) == ["whole"]
    assert [half[0], elsewhere[0]] == [404, 404]
    assert half[1]["message"] == 'pods.metrics.k8s.io "half" not found'


def test_discovery_names_both_kinds(ask):
    (answer,) = ask(two_shops, "")
    found = {each["name"]: (each["kind"], each["namespaced"]) for each in answer[1]["resources"]}
    assert found == {"nodes": ("NodeMetrics", False), "pods": ("PodMetrics", True)}
