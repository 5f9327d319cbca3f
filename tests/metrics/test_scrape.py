"""Counters scraped from a gateway's pods (Traefik's): the right Service, every process for itself, no number invented."""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.core.objects import Object
from helm_safe.metrics.exposition import points
from helm_safe.metrics.scrape import ANYWHERE, ScrapeMetrics, Where
from helm_safe.model.asking import Proxied
from helm_safe.model.errors import Forbidden
from helm_safe.model.traffic import Backend, NoData, Sample, window
from tests.fakes.cluster import FakeCluster, Fault
from tests.fakes.runs import FakeClock

REAL = (Path(__file__).parent / "data" / "traefik-3.7.txt").read_text()
API, STANDBY = Backend("shop", "api"), Backend("shop", "api-standby")
PREFIX = "httproute-shop-checkout-gw-shop-gw-ep-web-0-1106d789f6cb6a66123d-svc"
SIGN = "traefik_config_reloads_total 1\n"


def traefik(name: str = "traefik-a", **metadata: object) -> Object:
    ports = [{"name": "web", "containerPort": 8000}, {"name": "metrics", "containerPort": 9100}]
    labels = {"app.kubernetes.io/name": "traefik"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "edge", "labels": labels, **metadata},
        "spec": {"containers": [{"name": "traefik", "ports": ports}]},
        "status": {"phase": "Running"},
    }


def counted(service: str, code: str, count: float, *durations: tuple[str, float]) -> str:
    labels = f'code="{code}",method="GET",protocol="http",service="{service}"'
    lines = [f"traefik_service_requests_total{{{labels}}} {count:g}"]
    name = "traefik_service_request_duration_seconds_bucket"
    lines += [f'{name}{{{labels},le="{bound}"}} {number:g}' for bound, number in durations]
    return "\n".join(lines) + "\n"


class Gateway:
    """Traefik's pods in a fake cluster; `text` is what each publishes."""

    def __init__(self, *pods: Object, gateway: str = "traefik", where: Where = ANYWHERE) -> None:
        self.cluster = FakeCluster(pods or (traefik(),))
        self.clock = FakeClock()
        self.provider = ScrapeMetrics(self.cluster, self.clock, gateway=gateway, where=where)
        self.asked: list[str] = []

    def publish(self, text: str, name: str = "traefik-a", status: int = 200) -> None:
        def answer(method: str, path: str) -> Proxied:
            self.asked.append(path)
            return Proxied(status, {}, text.encode(), 0.01)

        self.cluster.servers["edge", name] = answer

    def sample(self, *backends: Backend) -> list[Sample]:
        self.clock.sleep(5)
        return [self.provider.sample(backends or (API,))[each] for each in backends or (API,)]


def test_the_real_metrics_are_told_apart() -> None:
    """Captured from Traefik 3.7: `api` is not `api-standby`, whatever the names share."""
    gateway = Gateway()
    gateway.publish(REAL)
    api, standby = gateway.sample(API, STANDBY)
    assert sum(api.requests.values()) == 1993
    assert sum(api.errors.values()) == 40
    assert sum(standby.errors.values()) == 65
    assert max(api.durations.values()) == 1950
    assert {bound for _, bound in api.durations} == {0.1, 0.3, 1.2, 5.0, math.inf}


@pytest.mark.parametrize(
    "service",
    [
        f"{PREFIX}-shop-api-v2-0@kubernetesgateway",
        f"{PREFIX}-shop-api-0-1@kubernetesgateway",
        f"{PREFIX}-shop-api-0@kubernetescrd",
        f"{PREFIX}-other-api-0@kubernetesgateway",
        "httproute-shop-x-svc-shop-api-0@kubernetesgateway",
        f"{PREFIX[:-4]}-wrr@kubernetesgateway",
    ],
)
def test_other_services_are_not_counted(service: str) -> None:
    gateway = Gateway()
    gateway.publish(SIGN + counted(service, "200", 5))
    assert gateway.sample() == [Sample(5, frozenset({"traefik-a"}), origin="Traefik")]


def lists_of(gateway: Gateway) -> int:
    return gateway.cluster.reads.count(("list", "Pod"))


def test_the_list_of_the_gateways_pods_is_kept_for_a_while() -> None:
    """A look every few seconds is one call, not two; a new process is found within ten seconds."""
    gateway = Gateway()
    gateway.publish(SIGN + counted(f"{PREFIX}-shop-api-0@kubernetesgateway", "200", 5))
    gateway.sample()
    gateway.cluster.put(traefik("traefik-b"))
    gateway.publish(SIGN + counted(f"{PREFIX}-shop-api-0@kubernetesgateway", "200", 7), "traefik-b")
    kept, renewed = gateway.sample()[0], gateway.sample()[0]
    assert (kept.sources, renewed.sources) == ({"traefik-a"}, {"traefik-a", "traefik-b"})
    assert lists_of(gateway) == 2


def test_a_pod_that_does_not_answer_ends_the_list() -> None:
    """It may be gone, and another one in its place."""
    gateway = Gateway()
    gateway.publish(SIGN)
    gateway.sample()
    gateway.publish("", status=502)
    with pytest.raises(NoData):
        gateway.sample()
    gateway.publish(SIGN)
    gateway.sample()
    assert lists_of(gateway) == 2


def test_all_rules_and_positions_of_a_service_count() -> None:
    gateway = Gateway()
    gateway.publish(
        SIGN
        + counted(f"{PREFIX}-shop-api-0@kubernetesgateway", "200", 5)
        + counted(f"{PREFIX}-shop-api-3@kubernetesgateway", "503", 2)
    )
    (sample,) = gateway.sample()
    assert (sum(sample.requests.values()), sum(sample.errors.values())) == (7, 2)


def test_a_window_between_two_scrapes() -> None:
    gateway = Gateway()
    name = f"{PREFIX}-shop-api-0@kubernetesgateway"
    gateway.publish(SIGN + counted(name, "200", 100, ("0.1", 90), ("+Inf", 100)))
    (before,) = gateway.sample()
    gateway.publish(
        SIGN + counted(name, "200", 150, ("0.1", 95), ("+Inf", 150)) + counted(name, "500", 7, ("0.1", 7), ("+Inf", 7))
    )
    found = window(before, gateway.sample()[0])
    assert (found.requests, found.errors, found.seconds) == (57, 7, 5)
    assert found.buckets == ((0.1, 5), (math.inf, 50))


def test_a_restarted_gateway_counts_from_zero() -> None:
    """The counter fell: what it shows now came since."""
    gateway = Gateway()
    name = f"{PREFIX}-shop-api-0@kubernetesgateway"
    gateway.publish(SIGN + counted(name, "200", 100, ("0.1", 100), ("+Inf", 100)))
    (before,) = gateway.sample()
    gateway.publish(SIGN + counted(name, "200", 30, ("0.1", 30), ("+Inf", 30)))
    found = window(before, gateway.sample()[0])
    assert found.requests == 30
    assert found.buckets == ((0.1, 30), (math.inf, 30))
    assert "restarted" in found.notes[0]


def test_every_process_is_asked_for_itself() -> None:
    """Two pods count on their own; one that answers for the first time brings old counts, which are left out."""
    gateway = Gateway(traefik(), traefik("traefik-b"))
    name = f"{PREFIX}-shop-api-0@kubernetesgateway"
    gateway.publish(SIGN + counted(name, "200", 100))
    (before,) = gateway.sample()
    gateway.publish(SIGN + counted(name, "200", 110))
    gateway.publish(SIGN + counted(name, "200", 5000), "traefik-b")
    found = window(before, gateway.sample()[0])
    assert found.requests == 10
    assert "began to answer" in found.notes[0]


def test_no_process_in_common_is_no_data() -> None:
    gateway = Gateway(traefik(), traefik("traefik-b"))
    gateway.publish(SIGN)
    (before,) = gateway.sample()
    del gateway.cluster.servers["edge", "traefik-a"]
    gateway.publish(SIGN, "traefik-b")
    with pytest.raises(NoData):
        window(before, gateway.sample()[0])


def entries(entry: str, count: int) -> str:
    return SIGN + f'traefik_entrypoint_requests_total{{code="200",entrypoint="{entry}"}} {count}\n'


@pytest.mark.parametrize(("entry", "later"), [("metrics", 900), ("traefik", 900), ("web", 505)])
def test_a_gateway_that_serves_nobody_now_is_no_fault(entry: str, later: int) -> None:
    """Its own metrics were looked at, or it served a Service whose routes, and so its counters, are gone."""
    gateway = Gateway()
    for count in (500, later):
        gateway.publish(entries(entry, count))
        assert all(sample.requests == {} for sample in gateway.sample())


def test_a_gateway_that_counts_no_services() -> None:
    """Users come in while we look, and no Service has a counter: nobody could be told from nobody."""
    gateway = Gateway()
    gateway.publish(entries("web", 500))
    gateway.sample()
    gateway.publish(entries("web", 540))
    with pytest.raises(NoData, match="not by Service"):
        gateway.sample()


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("", 404, "status 404"),
        ("dial tcp: connection refused", 0, "connection refused"),
        ("<html>", 200, "none of Traefik"),
        (SIGN + "traefik_service_requests_total{service=", 200, "something else"),
    ],
)
def test_what_cannot_be_read_is_no_data(text: str, status: int, words: str) -> None:
    gateway = Gateway()
    gateway.publish(text, status=status)
    with pytest.raises(NoData, match=words):
        gateway.sample()


def test_without_pods_or_permission_there_is_no_data() -> None:
    """The reason names what to do."""
    with pytest.raises(NoData, match="no running pod"):
        Gateway(traefik(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x"])).sample()
    gateway = Gateway()
    gateway.cluster.faults.append(Fault("list", Forbidden("may not list pods", status=403), times=-1))
    with pytest.raises(NoData, match="may not be listed") as raised:
        gateway.sample()
    assert "metrics.scrape.namespace" in raised.value.next_step


def test_annotations_of_the_pod_say_where() -> None:
    gateway = Gateway(traefik(annotations={"prometheus.io/port": "8899", "prometheus.io/path": "/m"}))
    gateway.publish(SIGN)
    gateway.sample()
    assert gateway.asked == ["/m"]
    assert ("proxied", "traefik-a:8899/m") in gateway.cluster.reads


@pytest.mark.parametrize("name", ["api.*", "", "API", "a" * 70, "x|y"])
def test_a_strange_name_never_becomes_a_pattern(name: str) -> None:
    gateway = Gateway()
    gateway.publish(SIGN + counted(f"{PREFIX}-shop-api-0@kubernetesgateway", "200", 5))
    with pytest.raises(NoData):
        gateway.sample(Backend("shop", name))


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Points or NoData, nothing else; no value is negative or NaN."""
    with suppress(NoData):
        assert all(point.value >= 0 for point in points(f"a_total{text}\na_total 1", ["a_total"]))


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=8))
def test_windows_never_go_back(counts: list[float]) -> None:
    """Whatever a counter does, no window is negative."""
    samples = [Sample(float(at), frozenset({"a"}), {("a", "x"): count}) for at, count in enumerate(counts)]
    assert all(window(*pair).requests >= 0 for pair in pairwise(samples))
