"""A Prometheus over HTTP: its answers, its failures, and what never reaches it."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from helm_safe.metrics.prometheus import PASSWORD, TOKEN, USER, PrometheusMetrics, query_for
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import Backend, NoData
from tests.fakes.runs import FakeClock

API = Backend("shop", "api")
SERVICE = "httproute-shop-checkout-gw-shop-gw-ep-web-0-1106d789f6cb6a66123d-svc-shop-api-0@kubernetesgateway"


def vector(*rows: tuple[dict[str, str], str]) -> bytes:
    result = [{"metric": labels, "value": [1700000000.5, value]} for labels, value in rows]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def counter(value: str, code: str = "200", label: str = "service") -> tuple[dict[str, str], str]:
    labels = {"__name__": "traefik_service_requests_total", "instance": "a:9100", "code": code, label: SERVICE}
    return labels, value


class Prometheus:
    """Answers by the first word of the query; remembers queries and headers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.answers = {"count": vector(({"instance": "a:9100"}, "1"))}
        self.queries: list[str] = []
        self.seen: list[dict[str, str]] = []

    def answer(self, query: str) -> bytes:
        self.queries.append(query)
        if self.body is not None:
            return self.body
        return next((body for name, body in self.answers.items() if query.startswith(name)), vector())


@pytest.fixture
def server() -> Iterator[Prometheus]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            state.seen.append({name.lower(): value for name, value in self.headers.items()})
            body = state.answer(form["query"][0])
            self.send_response(state.status)
            for name, value in {**state.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Prometheus(f"http://127.0.0.1:{http.server_port}")
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


def provider(server: Prometheus, path: str = "", **env: str) -> PrometheusMetrics:
    return PrometheusMetrics(server.url + path, FakeClock(), env)


@pytest.mark.parametrize("label", ["service", "exported_service"])
def test_counters_by_status(server: Prometheus, label: str) -> None:
    """Also where the Prometheus has renamed the label."""
    server.answers["traefik_service_requests_total"] = vector(counter("90", label=label), counter("7", "502", label))
    sample = provider(server).sample([API])[API]
    assert (sum(sample.requests.values()), sum(sample.errors.values())) == (97, 7)
    assert len(sample.sources) == 1


def test_durations_without_errors(server: Prometheus) -> None:
    labels = {"instance": "a:9100", "service": SERVICE, "__name__": "traefik_service_request_duration_seconds_bucket"}
    server.answers["traefik_service_request_duration_seconds_bucket"] = vector(
        ({**labels, "code": "200", "le": "0.1"}, "5"),
        ({**labels, "code": "200", "le": "+Inf"}, "6"),
        ({**labels, "code": "500", "le": "+Inf"}, "9"),
    )
    sample = provider(server).sample([API])[API]
    assert sorted(sample.durations.values()) == [5, 6]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-3", "text", None, []])
def test_what_is_no_count_is_left_out(server: Prometheus, value: Any) -> None:
    server.answers["traefik_service_requests_total"] = vector(counter(value))
    assert provider(server).sample([API])[API].requests == {}


def test_no_traefik_is_no_data(server: Prometheus) -> None:
    """An empty answer is never 'no errors'."""
    server.answers["count"] = vector()
    with pytest.raises(NoData, match="no metrics of Traefik"):
        provider(server).sample([API])


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>login</html>", "something else than the Prometheus API"),
        (200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "than a vector"),
        (200, b"[" * 100_000, "something else"),
        (200, b'{"status":"success","data":7}', "than a vector"),
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error\\u001b[2J"}', "parse error"),
        (401, b"", "refuses the credentials"),
        (503, b"{}", "something else"),
        (302, b"", "not followed"),
    ],
)
def test_failures_are_no_data(server: Prometheus, status: int, body: bytes, words: str) -> None:
    server.status, server.body, server.headers = status, body, {"Location": "http://127.0.0.1:1/"}
    with pytest.raises(NoData, match=words) as raised:
        provider(server).sample([API])
    assert "\x1b" not in str(raised.value)


def test_nobody_there_is_no_data() -> None:
    with pytest.raises(NoData, match="does not answer"):
        PrometheusMetrics("http://127.0.0.1:1", FakeClock(), {}).sample([API])


def test_credentials_come_from_the_environment(server: Prometheus) -> None:
    provider(server, "/prometheus/", **{TOKEN: "t0ken"}).sample([API])
    provider(server, **{USER: "me", PASSWORD: "pass"}).sample([API])
    provider(server).sample([API])
    sent = [seen.get("authorization") for seen in server.seen]
    basic = "Basic " + b64encode(b"me:pass").decode()
    assert sent == ["Bearer t0ken"] * 3 + [basic] * 3 + [None] * 3


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
    ],
)
def test_strange_addresses_are_usage_errors(url: str) -> None:
    """Passwords in an address are refused without being repeated."""
    with pytest.raises(UsageError) as raised:
        PrometheusMetrics(url, FakeClock(), {})
    assert "a:b" not in f"{raised.value}{raised.value.next_step}"


def test_a_token_that_is_no_header_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        PrometheusMetrics("http://a", FakeClock(), {TOKEN: "sec\nret"})
    assert "sec" not in str(raised.value)


def test_the_query_asks_for_both_labels() -> None:
    assert query_for("x_total", API) == (
        'x_total{service=~"(http|grpc)route-.+-[0-9a-f]{20}-svc-shop-api-[0-9]+@kubernetesgateway"} or '
        'x_total{exported_service=~"(http|grpc)route-.+-[0-9a-f]{20}-svc-shop-api-[0-9]+@kubernetesgateway"}'
    )
