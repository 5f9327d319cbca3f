"""Real sockets on the loopback: servers, probes, port-forward frames, the API client, events."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

import aiohttp
import pytest
from aiohttp import web

from helm_safe.sandbox.agent import spdy
from helm_safe.sandbox.agent.answers import Answering
from helm_safe.sandbox.agent.api import Api, ApiError
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.events import Recorder
from helm_safe.sandbox.agent.kubeconfig import Target
from helm_safe.sandbox.agent.podspec import container_specs
from helm_safe.sandbox.agent.portforward import Forwarding
from helm_safe.sandbox.agent.probes import Outcome, probe_specs
from helm_safe.sandbox.agent.probing import Subject, open_prober
from helm_safe.sandbox.agent.roles import behaviour
from helm_safe.sandbox.agent.server import Face, listen_http


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def face(image="shop/api:1", said=None, **given):
    clock = Clock()
    own = Answering(behaviour(image, given), clock.now())
    return Face("pod-1", "shop", "app", "1", image, own, clock, (said if said is not None else []).append)


def subject(port, **extra):
    body = {"name": "app", "image": "x", "ports": [{"name": "http", "containerPort": port}]}
    return Subject(container_specs({"spec": {"containers": [body]}})[0], "127.0.0.1", **extra)


def probe(**action):
    return next(iter(probe_specs({"readinessProbe": action}).values()))


def test_a_pod_says_who_it_is_and_refuses_once_closed():
    async def tell():
        port = free_port()
        listener = await listen_http("127.0.0.1", port, face())
        async with aiohttp.ClientSession() as session:
            async with session.post(f"http://127.0.0.1:{port}/pay", data=b"x" * 1000) as response:
                assert (response.status, response.headers["x-pod"]) == (200, "pod-1")
                assert (await response.json())["image"] == "shop/api:1"
            await listener.close(0)
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"http://127.0.0.1:{port}/pay")

    asyncio.run(tell())


def test_draining_lets_a_request_end_and_stopping_cuts_it():
    async def tell():
        for drain, latency, outcome in ((60, "300ms", 200), (0, "30s", None)):
            port = free_port()
            listener = await listen_http("127.0.0.1", port, face(latency=latency))
            async with aiohttp.ClientSession() as session:
                request = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}/slow"))
                await asyncio.sleep(0.1)
                await listener.close(drain)
                try:
                    assert (await request).status == outcome
                except aiohttp.ClientError:
                    assert outcome is None

    asyncio.run(tell())


def test_a_taken_port_is_an_error_of_the_operating_system():
    async def tell():
        port = free_port()
        listener = await listen_http("127.0.0.1", port, face())
        with pytest.raises(OSError, match="in use"):
            await listen_http("127.0.0.1", port, face())
        await listener.close(0)

    asyncio.run(tell())


def test_http_probes():
    async def tell():
        port = free_port()
        listener = await listen_http("127.0.0.1", port, face("a:1-cold", **{"cold-latency": "3s"}))
        async with open_prober() as prober:

            async def outcome(**action):
                return (await prober.probe(probe(**action), subject(port))).outcome

            assert await outcome(httpGet={"path": "/healthz", "port": "http"}) is Outcome.SUCCESS
            assert await outcome(httpGet={"path": "ready?x=1", "port": port}) is Outcome.FAILURE
            assert await outcome(httpGet={"port": "nope"}) is Outcome.ERROR
            assert await outcome(httpGet={"port": free_port()}) is Outcome.FAILURE
            assert await outcome(httpGet={"path": "/healthz", "port": port, "scheme": "HTTPS"}) is Outcome.FAILURE
            late = await prober.probe(probe(httpGet={"path": "/pay", "port": port}), subject(port))
            assert (late.outcome, "deadline" in late.output) == (Outcome.FAILURE, True)
            assert await outcome(tcpSocket={"port": "http"}) is Outcome.SUCCESS
            assert await outcome(tcpSocket={"port": free_port()}) is Outcome.FAILURE
            assert await outcome(exec={"command": ["x"]}) is Outcome.SUCCESS
        await listener.close(0)

    asyncio.run(tell())


def test_headers_of_a_probe_and_redirects_of_the_same_host_only():
    seen = []

    async def handle(request):
        seen.append(dict(request.headers))
        target = request.query.get("to")
        return web.Response(status=302, headers={"Location": target}) if target else web.Response(status=418)

    async def tell():
        port = free_port()
        runner = web.ServerRunner(web.Server(handle), handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with open_prober() as prober:
            headers = [{"name": "Host", "value": "shop.example"}, {"name": "Accept", "value": ""}]
            action = {"path": "/?to=/next", "port": port, "httpHeaders": headers}
            assert (await prober.probe(probe(httpGet=action), subject(port))).outcome is Outcome.FAILURE
            assert len(seen) == 2, "followed on the same host"
            away = {"path": "/?to=http://elsewhere.invalid/", "port": port}
            assert (await prober.probe(probe(httpGet=away), subject(port))).outcome is Outcome.SUCCESS
        await runner.cleanup()

    asyncio.run(tell())
    assert seen[0]["Host"] == "shop.example"
    assert seen[0]["User-Agent"].startswith("kube-probe/")


def test_grpc_health():
    async def tell():
        from helm_safe.sandbox.agent.grpc_server import listen_grpc

        port = free_port()
        listener = await listen_grpc("127.0.0.1", port, face("a:1-cold"))
        async with open_prober() as prober:
            polite = await prober.probe(probe(grpc={"port": port}), subject(port))
            honest = await prober.probe(probe(grpc={"port": port, "service": "ready"}), subject(port))
            assert (polite.outcome, honest.outcome) == (Outcome.SUCCESS, Outcome.FAILURE)
            await listener.close(0)
            assert (await prober.probe(probe(grpc={"port": port}), subject(port))).outcome is Outcome.FAILURE

    asyncio.run(tell())


# Port-forward


def syn(number, packer, **headers):
    block = struct.pack(">I", len(headers))
    for name, value in headers.items():
        for text in (name, value):
            block += struct.pack(">I", len(text)) + text.encode()
    body = struct.pack(">IIH", number, 0, 0) + packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH)
    return struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, len(body)) + body


async def frames(reader, count):
    found = []
    for _ in range(count):
        head = spdy.head(await asyncio.wait_for(reader.readexactly(spdy.HEAD), 5))
        found.append((head, await reader.readexactly(head.length)))
    return found


async def forwarding(tell):
    """A client's end of a forwarded connection to a pod at 127.0.0.1."""
    done = asyncio.Event()

    async def serve(reader, writer):
        await Forwarding(reader, writer, "127.0.0.1").run()
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await tell(reader, writer)
    writer.close()
    await asyncio.wait_for(done.wait(), 5)
    server.close()


def test_two_streams_become_a_connection_to_the_pod():
    async def echo(reader, writer):
        writer.write(b"pod heard " + await reader.read())
        writer.close()

    async def story(reader, writer):
        pod = await asyncio.start_server(echo, "127.0.0.1", 0)
        packer, port = zlib.compressobj(zdict=spdy.DICTIONARY), str(pod.sockets[0].getsockname()[1])
        writer.write(syn(1, packer, streamtype="error", port=port, requestid="0"))
        writer.write(syn(3, packer, streamtype="data", port=port, requestid="0"))
        writer.write(spdy.data_frame(3, b"hello", last=True))
        found = await frames(reader, 5)
        assert [head.kind for head, _ in found[:2]] == [spdy.SYN_REPLY, spdy.SYN_REPLY]
        assert b"".join(body for head, body in found[2:]) == b"pod heard hello"
        assert {head.number for head, _ in found[2:] if head.last} == {1, 3}
        pod.close()

    asyncio.run(forwarding(story))


def test_a_refused_connection_is_told_on_the_error_stream():
    async def story(reader, writer):
        packer, port = zlib.compressobj(zdict=spdy.DICTIONARY), str(free_port())
        writer.write(syn(1, packer, streamtype="error", port=port))
        writer.write(syn(3, packer, streamtype="data", port=port))
        found = await frames(reader, 3)
        assert found[2][0].number == 1
        assert b"error forwarding port" in found[2][1]

    asyncio.run(forwarding(story))


@pytest.mark.parametrize(
    "attack",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 4,
        struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, 0xFFFFFF),
        struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, 2) + b"xx",
        struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, 20) + b"x" * 20,
    ],
)
def test_bytes_that_are_no_spdy_end_the_connection_and_nothing_else(attack):
    async def story(reader, writer):
        writer.write(attack)
        assert await asyncio.wait_for(reader.read(), 5) == b""

    asyncio.run(forwarding(story))


def test_a_header_bomb_is_refused():
    packer = zlib.compressobj(zdict=spdy.DICTIONARY)
    bomb = struct.pack(">IIH", 1, 0, 0) + packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(spdy.SpdyError, match="more headers"):
        spdy.Headers().read(bomb)


# The API


class FakeServer:
    """Lists once with one pod, then breaks the watch in the way that `watches` says."""

    def __init__(self, *watches):
        self.watches, self.lists, self.requests = list(watches), 0, []

    async def handle(self, request):
        self.requests.append((request.method, request.path_qs))
        if request.query.get("watch"):
            lines = self.watches.pop(0) if self.watches else []
            return web.Response(text="".join(json.dumps(each) + "\n" for each in lines))
        if request.path == "/busy" and len(self.requests) < 3:
            return web.json_response({"message": "later"}, status=503)
        if request.path == "/no":
            return web.json_response({"message": "nobody may"}, status=403)
        self.lists += 1
        return web.json_response({"metadata": {"resourceVersion": str(100 * self.lists)}, "items": []})


def with_api(server, tell):
    async def run():
        port = free_port()
        runner = web.ServerRunner(web.Server(server.handle), handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with aiohttp.ClientSession() as session:
            await tell(Api(Target(f"http://127.0.0.1:{port}", "token", ""), session))
        await runner.cleanup()

    asyncio.run(run())


def pod_event(kind, version, **extra):
    return {"type": kind, "object": {"metadata": {"uid": "u", "resourceVersion": version, **extra}}}


def test_a_watch_goes_on_where_it_was_and_lists_again_when_it_is_too_old():
    big = pod_event("MODIFIED", "7", annotations={"x": "y" * 300_000})
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    server = FakeServer([pod_event("ADDED", "5"), big, pod_event("BOOKMARK", "9")], [gone], [])

    async def tell(api):
        seen = []
        async for kind, _ in api.list_and_watch("/api/v1/pods", "spec.nodeName=n"):
            seen.append(kind)
            if seen.count("LISTED") == 2:
                break
        assert seen == ["LISTED", "ADDED", "MODIFIED", "LISTED"]

    with_api(server, tell)
    versions = [path.split("resourceVersion=")[1].split("&")[0] for _, path in server.requests if "watch" in path]
    assert versions[:2] == ["100", "9"]


def test_a_busy_server_is_asked_again_and_a_refusal_is_not():
    server = FakeServer()

    async def tell(api):
        assert (await api.get("/busy"))["items"] == []
        before = len(server.requests)
        with pytest.raises(ApiError, match="nobody may"):
            await api.get("/no")
        assert len(server.requests) == before + 1

    with_api(server, tell)


def test_repeated_events_are_counted_in_one_object(timeless):
    created, patched = [], []

    class Sink:
        async def create(self, path, body):
            created.append(dict(body))

        async def patch(self, path, body):
            patched.append(body)

    async def tell():
        recorder = Recorder(Sink(), Clock(), component="kubelet", node="n")
        writing = asyncio.ensure_future(recorder.run())
        pod = {"metadata": {"name": "p", "namespace": "shop", "uid": "u"}}
        for _ in range(100):
            recorder.record(pod, "Warning", "Unhealthy", "no", "app")
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        writing.cancel()

    timeless(tell)
    assert len(created) == 1
    assert created[0]["involvedObject"]["fieldPath"] == "spec.containers{app}"
    assert patched[-1]["count"] == 100
    assert len(patched) <= 4
