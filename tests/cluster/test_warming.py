"""Warming real cold pods: by the API server's proxy and by port-forward, within the budget."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from helm_safe.core.objects import Object, dig
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.asking import PodRequest
from helm_safe.model.machine import Verdict
from helm_safe.model.resources import PODS
from helm_safe.rollback.warmup import BUDGET, WarmUp, warm_up
from helm_safe.sandbox.cluster import Sandbox

pytestmark = pytest.mark.cluster
PAY = PodRequest("/pay")
COLD = 20
"""Requests that a pod fails before it is warm."""


@pytest.fixture
def cluster(sandbox: Sandbox) -> Iterator[KubeCluster]:
    found = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
    yield found
    found.close()


def cold_pods(cluster: KubeCluster, namespace: str, *names: str) -> list[Object]:
    for name in names:
        marks = {"sandbox.helm-safe.dev/cold-requests": str(COLD), "sandbox.helm-safe.dev/cold-latency": "100ms"}
        container = {
            "name": "app",
            "image": "shop/api:1-cold",
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
        }
        body = {
            "metadata": {"name": name, "namespace": namespace, "annotations": marks},
            "spec": {"containers": [container]},
        }
        cluster.create(PODS, {"apiVersion": "v1", "kind": "Pod", **body})
    deadline = time.monotonic() + 30
    while True:
        found = [pod for pod in (cluster.get(PODS, namespace, name) for name in names) if pod]
        if all(dig(pod, "status", "containerStatuses", 0, "ready") for pod in found):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("via", ["proxy", "port-forward"])
def test_cold_pods_are_warmed(cluster: KubeCluster, namespace: str, via: str) -> None:
    pods = cold_pods(cluster, namespace, "one", "two", "three")
    assert cluster.proxied(namespace, "one", 8080, PAY).status == 503, "it is not cold: this proves nothing"
    wanted = WarmUp(path="/pay", via=via, least=20, timeout=60)
    before = sum(cluster.client.calls.values())
    found = warm_up(cluster, SystemClock(), pods, wanted)
    assert found.verdict is Verdict.PASS, found
    assert found.numbers["errors"] == 3 * COLD - 1
    assert {cluster.proxied(namespace, name, 8080, PAY).status for name in ("one", "two", "three")} == {200}
    calls = sum(cluster.client.calls.values()) - before - 3
    assert calls == found.numbers["requests"] if via == "proxy" else calls <= wanted.concurrency


def test_the_api_server_is_not_asked_more_often_than_the_budget_allows(cluster: KubeCluster, namespace: str) -> None:
    pods = cold_pods(cluster, namespace, *(f"pod-{number}" for number in range(8)))
    found = warm_up(cluster, SystemClock(), pods, WarmUp(path="/healthz", rate=100, least=30))
    assert found.verdict is Verdict.PASS, found
    assert found.numbers["requests"] / found.numbers["seconds"] <= BUDGET * 1.05
