"""Requests to pods through the API server: sent once, bounded, the pod's word told apart from the server's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from helm_safe.kube.client import Client
from helm_safe.kube.cluster import KubeCluster
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.asking import PodRequest
from helm_safe.model.errors import ClusterError, Forbidden, Invalid, Missing, Unreachable
from tests.fakes.webserver import Handler, listening

ROOT = PodRequest("/")
Answer = tuple[int, bytes]


class ApiServer:
    """Answers the n-th request by `answer(n)` and remembers what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.shop: list[str] = []
        self.answer: Callable[[int], Answer] = lambda _: (200, b"ok")
        self.headers: dict[str, str] = {}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    class Requested(Handler):
        def _any(self) -> None:
            state.seen.append((self.command, self.path))
            state.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            state.shop.append(self.headers.get("X-Shop", ""))
            status, body = state.answer(len(state.seen))
            self.answer(status, state.headers, body)

        do_GET = do_HEAD = do_POST = _any  # noqa: N815 - the names are http.server's

    with listening(Requested) as port:
        state = ApiServer(f"http://127.0.0.1:{port}")
        yield state


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[KubeCluster]:
    found = KubeCluster(Client(Connection(server.url, "default", "test", "the test", Credentials)))
    yield found
    found.close()


def refused(code: int, reason: str, message: str) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return code, json.dumps(body).encode()


def test_the_address(server: ApiServer, cluster: KubeCluster) -> None:
    """Path and query arrive at the pod as written; TLS is asked for in the pod's name."""
    cluster.proxied("shop", "api-1", 8080, PodRequest("/orders/a b?limit=1&x=ä"))
    cluster.proxied("shop", "https:api-1", 8443, PodRequest("/", "HEAD"))
    assert server.seen == [
        ("GET", "/api/v1/namespaces/shop/pods/api-1:8080/proxy/orders/a%20b?limit=1&x=%C3%A4"),
        ("HEAD", "/api/v1/namespaces/shop/pods/https:api-1:8443/proxy/"),
    ]


def test_a_service_a_body_and_headers(server: ApiServer, cluster: KubeCluster) -> None:
    cluster.proxied("shop", "api", 80, PodRequest("/q", "POST", {"X-Shop": "1"}, b"a=1"), kind="services")
    assert server.seen == [("POST", "/api/v1/namespaces/shop/services/api:80/proxy/q")]
    assert (server.bodies, server.shop) == ([b"a=1"], ["1"])


@pytest.mark.parametrize("header", ["Authorization", "impersonate-user", "Cookie", "Host", "Proxy-Authorization"])
def test_no_header_speaks_to_the_api_server(server: ApiServer, cluster: KubeCluster, header: str) -> None:
    with pytest.raises(Invalid):
        cluster.proxied("shop", "api-1", 8080, PodRequest("/", headers={header: "x"}))
    assert server.seen == []


@pytest.mark.parametrize("path", ["", "orders", "/../../secrets", "/a/./b", "/a\r\nX: y", "/\x1b"])
def test_a_path_never_leaves_the_pod(server: ApiServer, cluster: KubeCluster, path: str) -> None:
    with pytest.raises(Invalid):
        cluster.proxied("shop", "api-1", 8080, PodRequest(path))
    assert server.seen == []


@pytest.mark.parametrize("path", ["/%2e%2e/x", "/%2E./x"])
def test_an_escaped_path_stays_escaped(server: ApiServer, cluster: KubeCluster, path: str) -> None:
    """Dots behind escapes could be decoded on the way: they are refused as well."""
    with pytest.raises(Invalid):
        cluster.proxied("shop", "api-1", 8080, PodRequest(path))
    assert server.seen == []


@pytest.mark.parametrize("pod", ["/", "a/b", "../x", "a%2fb", "a\n"])
def test_a_strange_pod_is_refused(server: ApiServer, cluster: KubeCluster, pod: str) -> None:
    with pytest.raises(Invalid):
        cluster.proxied("shop", pod, 8080, ROOT)
    assert server.seen == []


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 429, 500, 503])
def test_what_the_pod_says_is_the_answer(server: ApiServer, cluster: KubeCluster, status: int) -> None:
    """Once, whatever it is: no retry, no redirect, no fresh credentials."""
    server.answer = lambda _: (status, b"" if status == 204 else b'{"message": "from the pod"}')
    server.headers = {"Location": server.url + "/elsewhere", "X-Pod": "api-1"}
    found = cluster.proxied("shop", "api-1", 8080, ROOT)
    assert (found.status, found.headers["x-pod"]) == (status, "api-1")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(403, "Forbidden", "pods/proxy is forbidden"), Forbidden),
        (refused(404, "NotFound", 'pods "api-1" not found'), Missing),
    ],
)
def test_the_api_servers_own_refusals_are_errors(
    server: ApiServer, cluster: KubeCluster, answer: Answer, error: type[ClusterError]
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(error):
        cluster.proxied("shop", "api-1", 8080, ROOT)


@pytest.mark.parametrize("code", [500, 502, 503])
def test_a_pod_that_cannot_be_reached_gave_no_answer(server: ApiServer, cluster: KubeCluster, code: int) -> None:
    """As the API server says it."""
    words = "error trying to reach service: dial tcp 10.8.0.66:81: connect: connection refused"
    server.answer = lambda _: refused(code, "ServiceUnavailable", words)
    found = cluster.proxied("shop", "api-1", 8080, ROOT)
    assert (found.status, found.body.decode()) == (0, words)
    assert len(server.seen) == 1


def test_credentials_are_read_again_for_the_api_server_alone(server: ApiServer, cluster: KubeCluster) -> None:
    server.answer = lambda n: refused(401, "Unauthorized", "Unauthorized") if n == 1 else (200, b"ok")
    assert cluster.proxied("shop", "api-1", 8080, ROOT).status == 200
    assert len(server.seen) == 2
    server.answer = lambda _: refused(401, "Unauthorized", "Unauthorized")
    with pytest.raises(Unreachable):
        cluster.proxied("shop", "api-1", 8080, ROOT)


def test_a_long_answer_is_cut(server: ApiServer, cluster: KubeCluster) -> None:
    server.answer = lambda _: (200, b"x" * 500_000)
    assert len(cluster.proxied("shop", "api-1", 8080, PodRequest("/", limit=1000)).body) == 1000
    assert len(cluster.proxied("shop", "api-1", 8080, PodRequest("/", limit=10**6)).body) == 500_000


def test_the_pods_clock_is_not_the_api_servers(server: ApiServer, cluster: KubeCluster) -> None:
    """The pod's Date would shift every age and Lease."""
    cluster.proxied("shop", "api-1", 8080, ROOT)
    assert cluster.client.server_time() is None


def test_no_api_server_is_an_error() -> None:
    cluster = KubeCluster(Client(Connection("http://127.0.0.1:1", "default", "test", "the test", Credentials)))
    with pytest.raises(Unreachable):
        cluster.proxied("shop", "api-1", 8080, ROOT)
