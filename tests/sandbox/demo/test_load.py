"""The load generator against a real server on loopback."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from helm_safe.model.errors import UsageError
from helm_safe.sandbox.demo.load import Load, checked, generate, main
from helm_safe.sandbox.demo.numbers import Request, read_requests

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def send(handler: Handler, **bounds: float) -> tuple[list[Request], str]:
    """The requests of one load against `handler`, and the file that was written."""
    out = io.StringIO()

    async def story() -> list[Request]:
        runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        load = Load(f"http://127.0.0.1:{port}/", "shop.example", **bounds)  # type: ignore[arg-type]
        try:
            return await generate(load, out, asyncio.Event())
        finally:
            await runner.cleanup()

    return asyncio.run(story()), out.getvalue()


async def _well(request: web.BaseRequest) -> web.Response:
    return web.Response(text=request.host, headers={"x-pod": "p-1", "x-version": "1"})


async def _badly(_: web.BaseRequest) -> web.Response:
    return web.Response(status=500)


def test_the_load_is_bounded_by_its_count_and_every_request_is_on_file() -> None:
    requests, text = send(_well, rate=200.0, count=20)
    assert len(requests) == 20
    assert {(each.status, each.pod, each.version) for each in requests} == {(200, "p-1", "1")}
    assert len(read_requests(text)) == 20


def test_the_load_is_bounded_by_its_time() -> None:
    requests, _ = send(_badly, rate=100.0, seconds=0.1)
    assert [each.failed for each in requests] == [True] * 10


def test_a_slow_service_does_not_slow_the_load_down() -> None:
    """Ten requests due within 0.1 s are all under way at once, and the wait counts from when each was due."""
    under_way, most, all_there = 0, 0, asyncio.Event()

    async def slowly(_: web.BaseRequest) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 10:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), 60)
        await asyncio.sleep(0.4)
        under_way -= 1
        return web.Response()

    requests, _ = send(slowly, rate=100.0, count=10)
    assert most == 10
    assert all(each.latency >= 0.39 for each in requests)


def test_no_answer_is_a_failure_with_its_reason() -> None:
    async def rudely(request: web.BaseRequest) -> web.Response:
        assert request.transport
        request.transport.close()
        return web.Response()

    requests, _ = send(rudely, rate=50.0, count=2)
    assert [(each.status, bool(each.error)) for each in requests] == [(0, True), (0, True)]


def test_a_stop_ends_the_load_early() -> None:
    async def story() -> list[Request]:
        stop = asyncio.Event()
        stop.set()
        return await generate(Load("http://127.0.0.1:9/", "h"), io.StringIO(), stop)

    assert asyncio.run(story()) == []


@pytest.mark.parametrize(
    "load",
    [
        Load("http://example.com/", "h"),
        Load("http://10.0.0.1/", "h"),
        Load("https://127.0.0.1/", "h"),
        Load("http:///", "h"),
        Load("http://127.0.0.1/", "h", rate=0),
        Load("http://127.0.0.1/", "h", rate=1e9),
        Load("http://127.0.0.1/", "h", seconds=float("inf")),
        Load("http://127.0.0.1/", "h", count=0),
    ],
)
def test_loads_out_of_bounds_are_refused(load: Load) -> None:
    with pytest.raises(UsageError):
        checked(load)


def test_a_file_that_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://localhost:1/", "--host", "h", "--out", "/nowhere/at/all"]) == 2
    assert "cannot be written" in capsys.readouterr().err
