"""A Prometheus and its relatives: its answers, its failures, what it no longer knows, and what never reaches it."""

from __future__ import annotations

import math
import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from helm_safe.metrics.credentials import PASSWORD, TOKEN, USER
from helm_safe.metrics.prometheus import PrometheusMetrics, query_for
from helm_safe.metrics.prometheus_api import Served, served
from helm_safe.model.asking import Proxied
from helm_safe.model.errors import Forbidden, Missing, Unreachable, UsageError
from helm_safe.model.traffic import Backend, NoData, Refused, Sample, window
from tests.fakes.cluster import FakeCluster, Fault
from tests.fakes.prometheus import Server, form_of, serving
from tests.fakes.runs import FakeClock

API = Backend("shop", "api")
SERVICE = "httproute-shop-checkout-gw-shop-gw-ep-web-0-1106d789f6cb6a66123d-svc-shop-api-0@kubernetesgateway"
SIGN = "traefik_config_reloads_total 1\n"


def traefik(good: float, bad: float = 0, service: str = SERVICE) -> str:
    labels = f'method="GET",protocol="http",service="{service}"'
    name = "traefik_service_request_duration_seconds_bucket"
    return SIGN + "".join(
        f'traefik_service_requests_total{{code="{code}",{labels}}} {count}\n'
        f'{name}{{code="{code}",{labels},le="0.1"}} {count}\n{name}{{code="{code}",{labels},le="+Inf"}} {count}\n'
        for code, count in (("200", good), ("502", bad))
    )


class Scene:
    """A Prometheus that looks at Traefik every 15 s; both clocks go together, and differ by an hour."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.clock.passing.append(self.passing)

    def passing(self, seconds: float) -> None:
        self.server.data.now += seconds

    def scrape(self, text: str, wait: float = 15.0, **target: str) -> None:
        self.server.data.scrape(text, **{"instance": "a:9100", "job": "traefik", **target})
        self.clock.sleep(wait)

    def provider(self, path: str = "", gateway: str = "traefik", **options: Any) -> PrometheusMetrics:
        env = options.pop("env", {})
        settings = {"url": self.server.url + path, "gateway": gateway, **options}
        return PrometheusMetrics.opened(settings, self.cluster, self.clock, env)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with serving() as server:
        yield Scene(server)


def test_a_window_of_a_living_gateway(scene: Scene) -> None:
    provider = scene.provider()
    scene.scrape(traefik(100, 4), 3)
    before = provider.sample([API])[API]
    scene.clock.sleep(12)
    scene.scrape(traefik(180, 10), 3)
    found = window(before, provider.sample([API])[API])
    assert (found.requests, found.errors, found.seconds) == (86, 6, 15)
    assert found.buckets == ((0.1, 80), (math.inf, 80))


def test_the_moment_is_that_of_the_scrape(scene: Scene) -> None:
    """A gate that began after it knows that these numbers are older than its step; the same scrape is no news."""
    provider = scene.provider()
    scene.scrape(traefik(100), 9)
    first = provider.sample([API])[API]
    scene.clock.sleep(4)
    again = provider.sample([API])[API]
    assert (first.at, again.at) == (0, 0)
    with pytest.raises(NoData, match="no newer numbers"):
        window(first, again)


def test_the_past_can_be_asked_for(scene: Scene) -> None:
    """So a plan knows the rate at once, however seldom the gateway is scraped."""
    provider = scene.provider()
    for count in range(10):
        scene.scrape(traefik(100 * count))
    before, after = (provider.sample([API], ago)[API] for ago in (60, 0))
    found = window(before, after)
    assert (found.requests, found.seconds) == (300, 45)


def test_a_target_that_died_is_no_quiet_one(scene: Scene) -> None:
    """For five minutes an instant query goes on answering what was; without a stale marker nobody says so."""
    provider = scene.provider()
    for count in range(6):
        scene.scrape(traefik(100 * count))
    provider.sample([API])
    scene.clock.sleep(20)  # one or two scrapes missed is nothing
    assert sum(provider.sample([API])[API].requests.values()) == 500
    scene.clock.sleep(150)
    with pytest.raises(NoData, match=r"the newest numbers of Traefik .* are 1\d\d s old"):
        provider.sample([API])


def test_a_failed_scrape_is_no_data_at_once(scene: Scene) -> None:
    """The Prometheus marks the series as stale."""
    provider = scene.provider()
    scene.scrape(traefik(100))
    provider.sample([API])
    scene.server.data.lose(instance="a:9100")
    with pytest.raises(NoData, match="no metrics of Traefik"):
        provider.sample([API])
    scene.scrape(traefik(120), 1)
    assert sum(provider.sample([API])[API].requests.values()) == 120


def test_one_process_of_two_stops(scene: Scene) -> None:
    """The other goes on to tell; what the lost one counted is not taken back."""
    provider, before = scene.provider(), Sample(0.0, frozenset())
    for count in range(10):
        if count < 5:
            scene.scrape(traefik(100 * count), 0, instance="b:9100")
        scene.scrape(traefik(10 * count))
        found = provider.sample([API])[API]
        before = found if count == 4 else before
    seen = window(before, found)
    assert seen.requests == 50
    assert "stopped answering" in seen.notes[0]


def test_a_restarted_gateway_counts_from_zero(scene: Scene) -> None:
    provider = scene.provider()
    scene.scrape(traefik(100, 50))
    before = provider.sample([API])[API]
    scene.scrape(traefik(30, 2))
    found = window(before, provider.sample([API])[API])
    assert (found.requests, found.errors) == (32, 2)
    assert "restarted" in found.notes[0]


def test_a_series_that_goes_with_its_route_adds_nothing(scene: Scene) -> None:
    provider = scene.provider()
    scene.scrape(traefik(100))
    before = provider.sample([API])[API]
    scene.scrape(SIGN)
    assert window(before, provider.sample([API])[API]).requests == 0


@pytest.mark.parametrize("view", ["job", "prometheus_replica", "replica"])
def test_a_process_scraped_twice_counts_once(scene: Scene, view: str) -> None:
    """By two jobs or by two replicas: always in the same eyes, or one would seem to have restarted."""
    provider = scene.provider()
    scene.scrape(traefik(100), 1, **{view: "two"})
    scene.scrape(traefik(101), 1, **{view: "one"})
    before = provider.sample([API])[API]
    scene.scrape(traefik(150), 1, **{view: "one"})
    scene.scrape(traefik(152), 1, **{view: "two"})
    found = window(before, provider.sample([API])[API])
    assert (found.requests, found.notes) == (49, ())


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-3", "text", None, []])
def test_what_is_no_count_is_left_out(scene: Scene, value: Any) -> None:
    scene.scrape(traefik(100))
    provider = scene.provider()
    provider.sample([API])
    whole = scene.server.data.answer

    def answer(query: str) -> list[dict[str, Any]]:
        rows = whole(query)
        return [{**row, "value": [row["value"][0], value]} for row in rows] if "requests_total" in query else rows

    scene.server.data.answer = answer  # type: ignore[method-assign]
    assert provider.sample([API])[API].requests == {}


@pytest.mark.parametrize("gateway", ["traefik", "auto", "linkerd"])
def test_a_prometheus_without_the_gateway_is_no_data(scene: Scene, gateway: str) -> None:
    """An empty answer is never 'no errors'; the reason names what was looked for."""
    scene.scrape("up 1\n")
    with pytest.raises(NoData, match="has no metrics of") as raised:
        scene.provider(gateway=gateway).sample([API])
    assert "scrapes" in raised.value.next_step


def test_metrics_of_another_name_are_no_data(scene: Scene) -> None:
    """A Prometheus that drops what it is asked for must not look like a service without users."""
    scene.scrape(traefik(100).replace("traefik_", "edge_"))
    with pytest.raises(NoData, match=r"no metrics of Traefik \(traefik_config_reloads_total\)"):
        scene.provider().sample([API])


def test_a_gateway_that_counts_no_services(scene: Scene) -> None:
    """Users come in while we look, and no Service has a counter."""
    provider = scene.provider()
    for count in (500, 540):
        scene.scrape(SIGN + f'traefik_entrypoint_requests_total{{code="200",entrypoint="web"}} {count}\n')
        if count == 500:
            assert provider.sample([API])[API].requests == {}
    with pytest.raises(NoData, match="not by Service"):
        provider.sample([API])


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>login</html>", "something else than its API"),
        (200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "than a vector"),
        (200, b"[" * 100_000, "something else"),
        (200, b'{"status":"success","data":7}', "than a vector"),
        (200, b'{"status":"error"}', "something else"),
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error\\u001b[2J"}', "parse error"),
        (401, b"", "refuses the credentials"),
        (422, b'{"status":"error","error":"query processing would load too many samples"}', "too many samples"),
        (503, b'{"status":"error","error":"no store"}', "is busy or down"),
        (302, b"", "not followed"),
    ],
)
@pytest.mark.parametrize("gateway", ["traefik", "auto"])
def test_failures_are_no_data(scene: Scene, status: int, body: bytes, words: str, gateway: str) -> None:
    scene.server.status, scene.server.body, scene.server.headers = status, body, {"Location": "http://127.0.0.1:1/"}
    with pytest.raises(NoData, match=words) as raised:
        scene.provider(gateway=gateway).sample([API])
    assert "\x1b" not in str(raised.value)
    assert len(scene.server.forms) <= 4, "one refusal is enough"


@pytest.mark.parametrize(
    "extra",
    [{"warnings": ["No StoreAPIs matched for this query"]}, {"isPartial": True}],
    ids=["thanos", "victoriametrics"],
)
def test_a_part_of_the_answer_is_no_answer(scene: Scene, extra: dict[str, Any]) -> None:
    scene.scrape(traefik(100))
    scene.server.extra = extra
    with pytest.raises(NoData, match="only a part"):
        scene.provider().sample([API])


def test_notes_about_the_query_are_no_warnings(scene: Scene) -> None:
    scene.scrape(traefik(100))
    scene.server.extra = {"infos": ["PromQL info: metric might not be a counter"]}
    assert scene.provider().sample([API])[API].requests


def test_relatives_are_told_to_be_whole_and_prompt(scene: Scene) -> None:
    scene.scrape(traefik(100))
    scene.provider(tenant="team-a").sample([API])
    form = scene.server.forms[0]
    assert (form["partial_response"], form["dedup"], form["latency_offset"]) == ("false", "true", "1ms")
    assert {seen["x-scope-orgid"] for seen in scene.server.seen} == {"team-a"}


def test_nobody_there_is_no_data(scene: Scene) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        scene.server.url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NoData, match="does not answer"):
        scene.provider().sample([API])


def test_credentials_come_from_the_environment(scene: Scene) -> None:
    scene.scrape(traefik(100))
    scene.provider("/prometheus/", env={TOKEN: "t0ken"}).sample([API])
    scene.provider(env={USER: "me", PASSWORD: "pass"}).sample([API])
    scene.provider().sample([API])
    sent = list(dict.fromkeys((seen["path"], seen.get("authorization")) for seen in scene.server.seen))
    basic = "Basic " + b64encode(b"me:pass").decode()
    path = "/api/v1/query"
    assert sent == [("/prometheus" + path, "Bearer t0ken"), (path, basic), (path, None)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prometheus:9090",
        "file:///etc/passwd",
        "http://",
        "http://a:b@c",
        "http://[",
        "http://a/?x=1",
        "http://a:99999",
        "service/monitoring/prometheus",
        "service/../prometheus:9090",
    ],
)
def test_strange_addresses_are_usage_errors(url: str) -> None:
    """Passwords in an address are refused without being repeated."""
    with pytest.raises(UsageError) as raised:
        PrometheusMetrics.opened({"url": url, "gateway": "auto"}, FakeCluster(), FakeClock(), {})
    assert "a:b" not in f"{raised.value}{raised.value.next_step}"


def test_the_query_asks_for_renamed_labels_too() -> None:
    assert query_for("x_total", [{"service": "a|b", "code": ".+"}], 60) == (
        'x_total{code=~".+",service=~"a|b"} offset 60s or x_total{code=~".+",exported_service=~"a|b"} offset 60s'
    )


class Behind:
    """The Prometheus of a scene behind a Service that only the API server reaches."""

    URL = "service/monitoring/prometheus:web/prom"

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.asked: list[str] = []
        self.status, self.body = 200, b""
        scene.cluster.servers["monitoring", "prometheus"] = self.answer

    def answer(self, method: str, path: str) -> Proxied:
        self.asked.append(f"{method} {path}")
        body = self.body or self.scene.server.answer(form_of(path))
        return Proxied(self.status, {}, body, 0.01)

    def provider(self, **env: str) -> PrometheusMetrics:
        options = {"url": self.URL, "gateway": "traefik", "tenant": ""}
        return PrometheusMetrics.opened(options, self.scene.cluster, self.scene.clock, env)


def test_a_prometheus_behind_the_api_server(scene: Scene) -> None:
    """Asked by GET, which the verb `get` on services/proxy allows."""
    behind = Behind(scene)
    scene.scrape(traefik(100, 4))
    sample = behind.provider().sample([API])[API]
    assert (sum(sample.requests.values()), sum(sample.errors.values())) == (104, 4)
    assert behind.asked[0].startswith("GET /prom/api/v1/query?query=traefik_service_requests_total")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (0, b"dial tcp: connection refused", "does not answer .*connection refused"),
        (503, b"no endpoints available", "does not answer"),
        (401, b"Unauthorized", "credentials, which do not pass"),
        (400, b'{"error":"parse error"}', "parse error"),
        (200, b"<html>", "something else"),
        (404, b"404 page not found", "something else"),
    ],
)
def test_failures_behind_the_api_server(scene: Scene, status: int, body: bytes, words: str) -> None:
    behind = Behind(scene)
    behind.status, behind.body = status, body
    with pytest.raises(NoData, match=words):
        behind.provider().sample([API])


@pytest.mark.parametrize(
    ("error", "words", "final"),
    [
        (Forbidden("may not get services/proxy", status=403), "may not be asked", True),
        (Missing('services "prometheus" not found', status=404), "is not there: services", True),
        (Unreachable("the API server does not answer"), "cannot be asked", False),
    ],
)
def test_refusals_of_the_api_server(scene: Scene, error: Any, words: str, final: bool) -> None:
    """What a person must correct is an error of usage as well."""
    behind = Behind(scene)
    scene.cluster.faults.append(Fault("proxied", error, times=-1))
    with pytest.raises(NoData, match=words) as raised:
        behind.provider().sample([API])
    assert isinstance(raised.value, Refused) is final


def test_credentials_do_not_pass_the_api_server(scene: Scene) -> None:
    with pytest.raises(UsageError, match="do not pass") as raised:
        Behind(scene).provider(**{TOKEN: "s3cret"})
    assert "s3cret" not in f"{raised.value}{raised.value.next_step}"


def test_what_names_a_service() -> None:
    assert served("service/monitoring/https:prom:9090") == Served("monitoring", "https:prom", "9090", "")
    assert served("http://service/a/b:90") is None


def test_durations_without_errors_where_errors_are_timed_too() -> None:
    """Envoy times all answers together: as many of the quickest are left out as failed, so failing fast is not quick."""
    sources, key = frozenset({"a"}), ("a",)
    before = Sample(0.0, sources, timed_errors=True)
    durations = {(key, 0.1): 60.0, (key, math.inf): 100.0}
    after = Sample(10.0, sources, {key: 100}, {key: 50}, durations, timed_errors=True)
    assert window(before, after).buckets == ((0.1, 10), (math.inf, 50))
