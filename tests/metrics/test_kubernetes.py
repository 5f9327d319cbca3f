"""CPU and memory of pods from the Kubernetes metrics API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from helm_safe.core.objects import Gvk, Object
from helm_safe.metrics.kubernetes import KubernetesQueries
from helm_safe.model.errors import ClusterError, Missing, UsageError
from helm_safe.model.resources import POD_METRICS
from helm_safe.model.snapshot import Served
from helm_safe.model.traffic import NoData, NoSeries, Reading, Refused
from tests.fakes.cluster import SERVED, FakeCluster
from tests.fakes.runs import START, FakeClock
from tests.metrics.vendor import BEGIN, END, ago

CPU = "cpu namespace=shop service=api"


def service(**selector: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"selector": selector},
    }


def deployment() -> Object:
    spec = {"selector": {"matchLabels": {"app": "api"}}}
    metadata = {"name": "api", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def usage(name: str, seconds: float, *containers: tuple[str, str, str], app: str = "api") -> Object:
    at = (START - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": app, "pod": name}},
        "timestamp": at,
        "window": "15s",
        "containers": [{"name": each, "usage": {"cpu": cpu, "memory": memory}} for each, cpu, memory in containers],
    }


def shop(*objects: Object) -> FakeCluster:
    served = Served({**SERVED.resources, Gvk("metrics.k8s.io", "v1beta1", "PodMetrics"): POD_METRICS})
    cluster = FakeCluster([service(app="api"), deployment(), *objects], served=served)
    cluster.clock = lambda: START
    return cluster


PODS = (
    usage("a", 10, ("app", "250m", "64Mi"), ("proxy", "50m", "16Mi")),
    usage("b", 20, ("app", "100000000n", "32Mi")),
    usage("other", 5, ("app", "9", "9Gi"), app="other"),
)


def ask(cluster: FakeCluster, query: str) -> Any:
    return KubernetesQueries.opened({}, cluster, FakeClock(), {}).series(query, BEGIN, END)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (CPU, 0.2),
        ("cpu namespace=shop deployment=api over=max", 0.3),
        ("cpu namespace=shop service=api over=sum container=app", 0.35),
        ("memory namespace=shop service=api", 56 * 2**20),
        ("memory namespace=shop service=api container=proxy", 16 * 2**20),
    ],
)
def test_what_pods_use(query: str, value: float) -> None:
    """Of the pods that the Service or workload selects; the oldest measurement tells the moment."""
    (found,) = ask(shop(*PODS), query)
    assert found.value == pytest.approx(value)
    assert found.at == ago(10 if "proxy" in query else 20)


def test_a_measurement_from_before_says_nothing() -> None:
    """The pods of the step are not measured yet."""
    with pytest.raises(NoSeries):
        ask(shop(usage("a", 61, ("app", "1", "1Gi"))), CPU)


def test_the_clock_of_the_cluster_counts() -> None:
    cluster = shop(usage("a", -590, ("app", "1", "1Gi")))
    cluster.clock = lambda: START + timedelta(seconds=600)
    assert ask(cluster, CPU) == [Reading(ago(10), 1.0)]


def test_a_measurement_of_this_second_counts() -> None:
    assert ask(shop(usage("a", -1, ("app", "1", "1Gi"))), CPU) == [Reading(ago(0), 1.0)]


@pytest.mark.parametrize("odd", ["much", None, {}, []])
def test_what_is_no_quantity_is_left_out(odd: Any) -> None:
    pod = usage("a", 10, ("app", "1", "1Gi"))
    pod["containers"][0]["usage"]["cpu"] = odd
    with pytest.raises(NoSeries):
        ask(shop(pod), CPU)


def test_no_pods_no_service_no_selector() -> None:
    for cluster, query in (
        (shop(), CPU),
        (shop(*PODS), "cpu namespace=shop service=gone"),
        (
            shop(*PODS, {**service(), "metadata": {"name": "bare", "namespace": "shop"}}),
            "cpu namespace=shop service=bare",
        ),
    ):
        with pytest.raises(NoSeries):
            ask(cluster, query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "cpu",
        "disk namespace=shop service=api",
        "cpu service=api",
        "cpu namespace=shop",
        "cpu namespace=shop service=api deployment=api",
        "cpu namespace=shop service=api pod=a",
        "cpu namespace=shop service=api over=median",
    ],
)
def test_a_query_of_another_form(query: str) -> None:
    with pytest.raises(UsageError) as raised:
        ask(shop(*PODS), query)
    assert "namespace=" in raised.value.next_step


def test_a_cluster_without_the_api() -> None:
    cluster = shop(*PODS)
    cluster.fail("list", Missing("not found", status=404), kind="PodMetrics")
    with pytest.raises(Refused, match=r"serves no metrics\.k8s\.io"):
        ask(cluster, CPU)


def test_a_cluster_that_refuses_or_does_not_answer() -> None:
    cluster = shop(*PODS)
    cluster.fail("list", ClusterError("503", status=503), kind="PodMetrics")
    with pytest.raises(NoData, match="does not answer"):
        ask(cluster, CPU)
    cluster.denied.add(("list", "pods"))
    with pytest.raises(UsageError, match="may not be read: may not list pods"):
        ask(cluster, CPU)
