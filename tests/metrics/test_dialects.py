"""Each dialect in the real text of its gateway or mesh: scraped from pods, and out of a Prometheus that scraped it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.metrics.choice import Choice
from helm_safe.metrics.dialects import BUILTIN
from helm_safe.metrics.dialects.traefik import TRAEFIK
from helm_safe.metrics.places import FORGETS, Memory, Places
from helm_safe.metrics.prometheus import PrometheusMetrics
from helm_safe.metrics.scrape import ScrapeMetrics
from helm_safe.model.asking import Proxied
from helm_safe.model.errors import UsageError
from helm_safe.model.snapshot import Resource
from helm_safe.model.traffic import Backend, NoData, Sample, window
from tests.fakes.cluster import FakeCluster
from tests.fakes.prometheus import Server, serving
from tests.fakes.runs import FakeClock

DATA = Path(__file__).parent / "data"
API, STANDBY = Backend("shop", "api"), Backend("shop", "api-standby")
PODS = {"api-1": "10.1.0.1", "api-2": "10.1.0.2", "standby-1": "10.1.0.3"}
BEHIND = {"api": ("api-1", "api-2"), "api-standby": ("standby-1",)}
LABELS = {
    "ingress-nginx": {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"},
    "istio-gateway": {"istio": "ingressgateway"},
    "istio-clusters": {"istio": "ingressgateway"},
    "istio-waypoint": {"gateway.istio.io/managed": "istio.io-mesh-controller"},
    "contour": {"app": "envoy"},
    "envoy-gateway": {"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"},
    "apisix": {"app.kubernetes.io/name": "apisix"},
    "skipper": {"application": "skipper-ingress"},
}
TEXTS = {name: f"{name}.txt" for name in LABELS} | {"istio-gateway": "istio-source.txt"}
PORTS = {"istio": ("http-envoy-prom", 15090), "linkerd": ("linkerd-admin", 4191)}
EVERY = sorted({*LABELS, *PORTS})


def pod(name: str, namespace: str, labels: Mapping[str, str], port: tuple[str, int] | None = None) -> Object:
    ports = [{"name": port[0], "containerPort": port[1]}] if port else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        # Sidecars are init containers that never end, where the cluster knows those.
        "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "proxy", "ports": ports}]},
        "status": {"phase": "Running"},
    }


def endpoints(service: str, *pods: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [PODS[name]], "targetRef": {"kind": "Pod", "name": name}} for name in pods],
    }


def route() -> Object:
    refs = [{"name": "api", "port": 80}, {"name": "api-standby", "port": 80}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"rules": [{"backendRefs": refs}]},
    }


class World:
    """A cluster in which one gateway or mesh runs, and a Prometheus that scrapes it."""

    def __init__(self, name: str, text: str = "") -> None:
        mesh = PORTS.get(name)
        self.name = name
        self.clock = FakeClock()
        self.published: dict[tuple[str, str], str] = {}
        apps = [pod(each, "shop", {}, mesh) for each in PODS]
        self.cluster = FakeCluster(
            (*apps, *(endpoints(service, *pods) for service, pods in BEHIND.items()), route()),
        )
        if mesh:
            for each in PODS:
                self.publish("shop", each, self.beside(each))
        else:
            self.cluster.put(pod("gw-1", "edge", LABELS[name]))
            self.publish("edge", "gw-1", (DATA / (text or TEXTS[name])).read_text())

    def beside(self, each: str) -> str:
        if self.name == "linkerd":
            standby, none = "linkerd-standby.txt", each == "api-2"
            text = (DATA / (standby if each == "standby-1" else "linkerd-api.txt")).read_text()
            return "\n".join(line for line in text.splitlines() if not none or "4191" in line) + "\n"
        text = (DATA / "istio-destination.txt").read_text()
        mine = "api-standby" if each == "standby-1" else "api" if each == "api-1" else "nobody"
        wanted = ("istio_build", "#", f'destination_service_name="{mine}"')
        return "\n".join(line for line in text.splitlines() if any(each in line for each in wanted)) + "\n"

    def publish(self, namespace: str, name: str, text: str) -> None:
        self.published[namespace, name] = text
        self.cluster.servers[namespace, name] = lambda _method, _path: Proxied(200, {}, text.encode(), 0.01)

    def scraping(self, gateway: str = "") -> ScrapeMetrics:
        return ScrapeMetrics(self.cluster, self.clock, gateway=gateway or self.name)

    def asking(self, server: Server, gateway: str = "", honest: bool = False) -> PrometheusMetrics:
        """honest: the Prometheus keeps the labels of the metrics, and gives the target none of its own."""
        for (namespace, name), text in self.published.items():
            target = {"instance": f"{name}:9000", "job": "proxies", "namespace": namespace, "pod": name}
            server.data.scrape(text, **({"instance": target["instance"]} if honest else target))
        options = {"url": server.url, "gateway": gateway or self.name}
        return PrometheusMetrics.opened(options, self.cluster, self.clock, {})


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def assert_told(found: Mapping[Backend, Sample]) -> None:
    """200 requests to `api`, 20 of them failed; 50 to its standby, one failed; durations are seconds."""
    api, standby = found[API], found[STANDBY]
    assert (sum(api.requests.values()), sum(api.errors.values())) == (200, 20)
    assert (sum(standby.requests.values()), sum(standby.errors.values())) == (50, 1)
    sources = api.sources
    nothing = Sample(api.at - 1, sources)
    seen = window(nothing, api)
    assert [bound for bound, _ in seen.buckets] == [0.1, 1.0, math.inf]
    assert [count for _, count in seen.buckets] == pytest.approx([90, 180, 180], abs=1)
    assert [count for _, count in window(nothing, standby).buckets] == pytest.approx([40, 49, 49], abs=1)


@pytest.mark.parametrize("name", EVERY)
def test_services_are_told_apart_in_what_pods_publish(name: str) -> None:
    assert_told(World(name).scraping().sample((API, STANDBY)))


@pytest.mark.parametrize("name", EVERY)
def test_services_are_told_apart_in_a_prometheus(server: Server, name: str) -> None:
    """Also where the labels `namespace`, `service` and `pod` are those of the target, and the metric's are renamed."""
    assert_told(World(name).asking(server).sample((API, STANDBY)))


@pytest.mark.parametrize("name", sorted(set(LABELS) - {"linkerd"}))
def test_a_prometheus_that_honours_labels(server: Server, name: str) -> None:
    assert_told(World(name).asking(server, honest=True).sample((API, STANDBY)))


@pytest.mark.parametrize("name", EVERY)
def test_auto_finds_who_counts_the_services(server: Server, name: str) -> None:
    world = World(name)
    assert_told(world.scraping("auto").sample((API, STANDBY)))
    assert_told(world.asking(server, "auto").sample((API, STANDBY)))


def test_who_is_found_is_said() -> None:
    found = World("ingress-nginx").scraping("auto").sample((API,))
    assert found[API].origin == "ingress-nginx"


def test_a_gateway_of_others_is_no_ground_to_stop_looking(server: Server) -> None:
    """Traefik is there and serves somebody else: the mesh that counts our Services is taken."""
    world = World("linkerd")
    world.cluster.put(pod("traefik-1", "edge", {"app.kubernetes.io/name": "traefik"}, ("metrics", 9100)))
    world.publish("edge", "traefik-1", "traefik_config_reloads_total 1\n")
    assert world.scraping("auto").sample((API,))[API].origin == "Linkerd"
    assert world.asking(server, "auto").sample((API,))[API].origin == "Linkerd"


@pytest.mark.parametrize("gateway", ["envoy-gateway", "auto"])
def test_an_envoy_gateway_that_counts_rules_tells_nobody_apart(server: Server, gateway: str) -> None:
    """A wrong split would be worse than none; the remedy is told."""
    world = World("envoy-gateway", "envoy-gateway-rule.txt")
    world.cluster.objects[("gateway.networking.k8s.io", "HTTPRoute", "shop", "checkout")] = route()
    for provider in (world.scraping(gateway), world.asking(server, gateway)):
        with pytest.raises(NoData, match="cannot be told apart") as raised:
            provider.sample((API, STANDBY))
        assert "filter" in raised.value.next_step


@pytest.mark.parametrize("name", ["linkerd", "apisix"])
def test_services_that_share_pods_are_not_told_apart(name: str) -> None:
    world = World(name)
    world.cluster.put(endpoints("api", "api-1", "standby-1"))
    with pytest.raises(NoData, match="share pods"):
        world.scraping().sample((API, STANDBY))


def test_two_names_for_the_same_pods_are_one_thing() -> None:
    world = World("linkerd")
    world.cluster.put(endpoints("api-headless", "api-1", "api-2"))
    found = world.scraping().sample((API, Backend("shop", "api-headless")))
    assert [sum(sample.requests.values()) for sample in found.values()] == [200, 200]


def test_the_two_reporters_of_a_mesh_never_count_one_request_twice(server: Server) -> None:
    """The text holds 1,000 requests more that its proxy sent itself."""
    found = World("istio-waypoint").asking(server).sample((API,))[API]
    assert sum(found.requests.values()) == 200


def test_a_mesh_without_proxies_beside_the_pods_is_no_data() -> None:
    world = World("linkerd")
    for name in PODS:
        world.cluster.put(pod(name, "shop", {}))
    with pytest.raises(NoData, match="no running pod of Linkerd") as raised:
        world.scraping().sample((API,))
    assert "metrics.gateway" in raised.value.next_step


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(UsageError, match="no gateway named 'istoi'") as raised:
        Choice("istoi")
    assert "istio" in raised.value.next_step


@pytest.mark.parametrize(
    ("labels", "failed"),
    [
        ({"protocol": "http", "code": "502"}, True),
        ({"protocol": "http", "code": "404"}, False),
        ({"protocol": "grpc", "code": "0"}, False),
        ({"protocol": "grpc", "code": "14"}, True),
        ({"protocol": "grpc", "code": "5"}, False),
        ({"protocol": "grpc-web", "code": "13"}, True),
    ],
)
def test_grpc_errors_of_traefik(labels: dict[str, str], failed: bool) -> None:
    """The code is the gRPC status there: NOT_FOUND (5) is the client's, INTERNAL (13) is no HTTP status 13."""
    assert TRAEFIK.failed(labels) is failed


def test_every_dialect_is_tried_here() -> None:
    assert set(BUILTIN) == {*EVERY, "traefik"}


def test_kinds_of_routes_that_say_nothing_are_not_listed_again() -> None:
    """A call is a call: only what names one of the Services is read with each sample."""
    world = World("contour")
    asked: list[str] = []
    listing = world.cluster.list

    def counted(kind: Resource, *words: Any, **more: Any) -> Any:
        asked.append(kind.plural)
        return listing(kind, *words, **more)

    world.cluster.list = counted  # type: ignore[method-assign]
    memory = Memory()
    kind = ("networking.k8s.io", "Ingress")
    for at in (0.0, 1.0, FORGETS - 1, FORGETS + 1):
        assert Places(world.cluster, memory, at).objects(kind, API) == []
    assert asked == ["ingresses"] * 2
    world.cluster.put(ingress("api"))
    asked.clear()
    for at in (2 * FORGETS + 2, 2 * FORGETS + 3, 2 * FORGETS + 4):
        assert len(Places(world.cluster, memory, at).objects(kind, API)) == 1
    assert asked == ["ingresses"] * 3


def ingress(service: str) -> Object:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    spec = {"rules": [{"host": "shop.example", "http": {"paths": [path]}}]}
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
