"""Port-forward's connections: who we say we are, the proxy, TLS, refusals, what breaks, and that nothing stays open."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from helm_safe.kube.client import Client
from helm_safe.kube.cluster import KubeCluster
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.asking import PodRequest
from helm_safe.model.errors import Forbidden, Unreachable
from helm_safe.sandbox.agent import channels
from tests.fakes.webserver import Handler, listening

ROOT = PodRequest("/")
TLS = Path(__file__).parent / "tls"


@dataclass
class Pod:
    """An HTTP server that closes its connection after every n-th answer; 0: never. open: its connections."""

    port: int = 0
    close_every: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def serving(*, secure: bool = False) -> Iterator[Pod]:
    class Requested(Handler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            pod.open.add(id(self))

        def finish(self) -> None:
            super().finish()
            pod.open.discard(id(self))

        def _any(self) -> None:
            pod.asked.append({**dict(self.headers), "line": self.requestline})
            pod.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"x" * 1000)
            # Without a word in its headers: as a server does that closes idle connections.
            self.close_connection = bool(pod.close_every) and len(pod.asked) % pod.close_every == 0

        do_GET = do_HEAD = do_POST = _any  # noqa: N815 - the names are http.server's

    with listening(Requested, own_tls() if secure else None) as port:
        pod = Pod(port)
        yield pod


def own_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    return context


@dataclass
class ApiServer:
    """Forwards ports as the kubelet behind an API server does. refusal: of the n-th upgrade, None for none."""

    port: int = 0
    seen: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    refusal: Callable[[int], web.Response | None] = lambda _: None


@contextmanager
def api_server(*, secure: bool = False) -> Iterator[ApiServer]:
    state, ready, loop = ApiServer(), threading.Event(), asyncio.new_event_loop()

    async def handle(request: web.Request) -> web.StreamResponse:
        state.seen.append(dict(request.headers))
        state.paths.append(request.path)
        refused = state.refusal(len(state.seen))
        # The API server asks the kubelet for `port`, whoever forwards asks it for `ports`.
        inner = request.clone(rel_url=request.rel_url.with_query(port=request.query["ports"]))
        return refused or await channels.serve(inner, "127.0.0.1")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=own_tls() if secure else None)
        await site.start()
        state.port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(5)
    yield state
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)
    loop.close()


@pytest.fixture
def pod() -> Iterator[Pod]:
    with serving() as found:
        yield found


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as found:
        yield found


def cluster(server: ApiServer, scheme: str = "http", **settings: Any) -> KubeCluster:
    plain = Connection(f"{scheme}://127.0.0.1:{server.port}", "shop", "test", "the test", Credentials)
    return KubeCluster(Client(replace(plain, **settings)))


def test_many_requests_share_one_connection_and_none_stays_open(server: ApiServer, pod: Pod) -> None:
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        assert [ask(PodRequest("/a b?c=ä")).status for _ in range(5)] == [200] * 5
        assert ask(PodRequest("/", "POST", {"Authorization": "Bearer pod", "Host": "shop.test"}, b"{}")).status == 200
        assert ask(PodRequest("/", "HEAD")).status == 200
    assert server.paths == ["/api/v1/namespaces/shop/pods/api-1/portforward"]
    assert pod.asked[0]["line"] == "GET /a%20b?c=%C3%A4 HTTP/1.1"
    assert pod.asked[0]["Host"] == f"localhost:{pod.port}"
    assert (pod.asked[5]["Authorization"], pod.asked[5]["Host"], pod.bodies[5]) == ("Bearer pod", "shop.test", b"{}")
    until(lambda: not pod.open)


def until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(300):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not come to that")


def test_a_connection_that_broke_while_idle_is_opened_anew(server: ApiServer, pod: Pod) -> None:
    pod.close_every = 2
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        for number in range(6):
            assert ask(ROOT).status == 200
            until(lambda number=number: number % 2 == 0 or not pod.open)
    assert len(pod.asked) == 6
    assert len(server.seen) == 3


def test_what_could_change_data_is_never_sent_twice(server: ApiServer, pod: Pod) -> None:
    pod.close_every = 1
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        assert ask(PodRequest("/", "POST")).status == 200
        until(lambda: not pod.open)
        assert ask(PodRequest("/", "POST")).status == 0
        assert ask(PodRequest("/", "POST")).status == 200
    assert len(pod.asked) == 2


def test_a_cut_answer_is_not_kept(server: ApiServer, pod: Pod) -> None:
    """The rest of it would be taken for the next answer."""
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        assert len(ask(PodRequest("/", limit=10)).body) == 10
        assert len(ask(ROOT).body) == 1000
    assert len(server.seen) == 2


def test_who_we_are_is_said_and_read_again_once(server: ApiServer, pod: Pod) -> None:
    server.refusal = lambda n: web.Response(status=401) if n == 1 else None
    tokens = iter(["old", "new"])
    found = cluster(
        server,
        credentials=lambda: Credentials(f"Bearer {next(tokens)}"),
        impersonation=(("Impersonate-User", "eve"), ("Impersonate-Group", "a")),
    )
    with found.forwarded("shop", "api-1", pod.port) as ask:
        assert ask(ROOT).status == 200
    assert [each["Authorization"] for each in server.seen] == ["Bearer old", "Bearer new"]
    assert {each["Impersonate-User"] for each in server.seen} == {"eve"}
    assert "Authorization" not in pod.asked[0]


def test_refusals(server: ApiServer, pod: Pod) -> None:
    """What the caller may not is an error; a kubelet that cannot is a pod that gave no answer."""
    body = {"kind": "Status", "apiVersion": "v1", "message": "no portforward for you", "reason": "Forbidden"}
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        server.refusal = lambda _: web.Response(status=403, text=json.dumps(body))
        with pytest.raises(Forbidden, match="no portforward for you"):
            ask(ROOT)
        server.refusal = lambda _: web.Response(status=500, text=json.dumps({**body, "message": "dial kubelet"}))
        found = ask(ROOT)
        assert (found.status, b"dial kubelet" in found.body) == (0, True)
        server.refusal = lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
        with pytest.raises(Unreachable):
            ask(ROOT)
        server.refusal = lambda _: web.Response(status=401)
        with pytest.raises(Unreachable):
            ask(ROOT)


def test_nobody_there(server: ApiServer) -> None:
    gone = replace(server, port=1)
    with cluster(gone).forwarded("shop", "api-1", 8080) as ask, pytest.raises(Unreachable, match="No connection"):
        ask(ROOT)


def test_tls_to_the_api_server_is_verified(pod: Pod) -> None:
    authority = (TLS / "certificate.pem").read_bytes()
    with api_server(secure=True) as server:
        for settings, trusted in (
            ({"authority": authority}, True),
            ({"authority": authority, "server_name": "api.test"}, True),
            ({"authority": authority, "server_name": "other.test"}, False),
            ({}, False),
            ({"insecure": True}, True),
        ):
            with cluster(server, "https", **settings).forwarded("shop", "api-1", pod.port) as ask:
                if trusted:
                    assert ask(ROOT).status == 200
                else:
                    with pytest.raises(Unreachable):
                        ask(ROOT)


def test_a_pod_that_speaks_tls(server: ApiServer) -> None:
    with serving(secure=True) as pod, cluster(server).forwarded("shop", "https:api-1", pod.port) as ask:
        assert [ask(ROOT).status for _ in range(2)] == [200, 200]
        assert len(server.seen) == 1
    with serving() as pod, cluster(server).forwarded("shop", "https:api-1", pod.port) as ask:
        assert ask(ROOT).status == 0


@contextmanager
def forward_proxy() -> Iterator[tuple[int, list[str]]]:
    """An HTTP proxy for one CONNECT."""
    heads: list[str] = []

    def splice(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = listener.accept()
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        heads.append(head.decode())
        host, _, port = heads[0].split()[1].partition(":")
        with client, socket.create_connection((host, int(port))) as there:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=splice, args=(there, client), daemon=True)
            back.start()
            splice(client, there)
            back.join(5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heads
        thread.join(5)


def test_the_proxy_is_the_one_that_the_connection_names(
    monkeypatch: pytest.MonkeyPatch, server: ApiServer, pod: Pod
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with cluster(server).forwarded("shop", "api-1", pod.port) as ask:
        assert ask(ROOT).status == 200
    with forward_proxy() as (port, heads):
        found = cluster(server, proxy=f"http://me:p%40ss@127.0.0.1:{port}")
        with found.forwarded("shop", "api-1", pod.port) as ask:
            assert ask(ROOT).status == 200
    assert heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
    assert "Basic bWU6cEBzcw==" in heads[0]
    inside_tls = cluster(server, proxy="https://127.0.0.1:1").forwarded("shop", "api-1", 1)
    with inside_tls as ask, pytest.raises(Unreachable, match="proxy of the kind https"):
        ask(ROOT)
