"""A proxy in front of a real API server that misbehaves to order, and remembers every request.

It speaks plain HTTP on loopback with the credentials that the client brings, streams answers as they come (watches too),
and writes a kubeconfig that points to itself. `beside` makes a helm that takes no part in the faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import socket
import ssl
import struct
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-authorization"}
_NO_EFFECT = re.compile(r"[?&]dryRun=|/selfsubjectaccessreviews|/proxy(/|\?|$)")


@dataclass
class Fault:
    """What to do to requests of `verb` ("*" for all) whose path with query matches the expression `path`.

    what: "409" and the other keys of REASONS: that answer, without asking the server. "reset-before", "reset-after": the
    connection breaks before or after the server acted. "silence": the server acted, nothing comes back for `seconds`,
    then the connection breaks. "hold": the server acted, and its answer comes once `let_go` is set.
    nth: the first matching request that is hit, from 1. times: how many in a row. when: a further condition, on the body.
    """

    what: str
    verb: str = "*"
    path: str = ""
    nth: int = 1
    times: int = 1
    retry_after: str = ""
    seconds: float = 30.0
    when: Callable[[bytes], bool] = lambda _: True
    matched: int = 0
    hit: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def takes(self, verb: str, path: str, body: bytes) -> bool:
        """Whether this request is to be hit; counts it."""
        if self.verb not in ("*", verb) or not re.search(self.path, path) or not self.when(body):
            return False
        self.matched += 1
        return self.nth <= self.matched < self.nth + self.times


@dataclass(frozen=True)
class Seen:
    """One request. at: `time.monotonic` of its arrival. status: what the client got, 0 for no answer. fault: "" for none."""

    at: float
    verb: str
    path: str
    agent: str
    status: int
    fault: str

    @property
    def manager(self) -> str:
        return URL(self.path).query.get("fieldManager", "")

    @property
    def writes(self) -> bool:
        return self.verb in ("POST", "PUT", "PATCH", "DELETE") and not _NO_EFFECT.search(self.path)


class FaultProxy:
    """The proxy; `seen` is every request in the order of arrival's end, `kubeconfig` leads to it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.kubeconfig = folder / "through-proxy"
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        self._cluster = config["clusters"][0]["cluster"]
        self._config = config
        self._server = self._cluster["server"]
        self._authority = b64decode(self._cluster.get("certificate-authority-data", "")).decode()
        self._loop = asyncio.new_event_loop()
        self._port = 0

    def order(self, what: str, verb: str = "*", path: str = "", **details: Any) -> Fault:
        """Add a fault; of several that fit a request the first one counts."""
        fault = Fault(what, verb, path, **details)
        self.faults.append(fault)
        return fault

    def writes(self, since: float = 0.0) -> list[Seen]:
        """Requests with effects that arrived from then on (`time.monotonic`)."""
        return [each for each in self.seen if each.writes and each.at >= since]

    def down(self, seconds: float) -> None:
        """Break all connections and refuse new ones for so long, as a server that is being restarted; does not wait."""
        self._call(self._away(seconds), wait=False)

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._call(self._start())
        try:
            yield self
        finally:
            for fault in self.faults:
                fault.let_go.set()
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None], *, wait: bool = True) -> None:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        if wait:
            future.result(30)

    async def _start(self) -> None:
        context = ssl.create_default_context(cadata=self._authority) if self._authority else True
        # A connection of its own for each request: a stale one would be a fault that nobody ordered.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._http = web.Server(self._serve)
        self._runner = web.ServerRunner(self._http, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await self._listen()
        del self._cluster["certificate-authority-data"]
        self._cluster["server"] = f"http://127.0.0.1:{self._port}"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(self._config), encoding="utf-8")

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def _away(self, seconds: float) -> None:
        await self._site.stop()
        for handler in self._http.connections:
            _reset(handler.transport)
        await asyncio.sleep(seconds)
        await self._listen()

    async def _end(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        at, body = time.monotonic(), await request.read()
        fault = next((each for each in self.faults if each.takes(request.method, request.path_qs, body)), None)
        what = fault.what if fault else ""
        answer: web.StreamResponse | None = None
        with contextlib.suppress(OSError):  # the client went away
            answer = await (self._misbehave(fault, request, body) if fault else self._pass(request, body))
        status = answer.status if answer else 0
        agent = request.headers.get("User-Agent", "")
        self.seen.append(Seen(at, request.method, request.path_qs, agent, status, what))
        if fault:
            fault.hit.set()
        if answer is None:
            _reset(request.transport)
            return web.Response(status=500)  # goes nowhere
        return answer

    async def _misbehave(self, fault: Fault, request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
        if fault.what.isdigit():
            return _refusal(int(fault.what), fault.retry_after)
        if fault.what != "reset-before":
            async with self._ask(request, body) as upstream:
                answer = web.Response(
                    status=upstream.status, headers=_kept(upstream.headers), body=await upstream.read()
                )
        if fault.what == "silence":
            await asyncio.sleep(fault.seconds)
        if fault.what == "hold":
            fault.hit.set()
            await asyncio.to_thread(fault.let_go.wait, 120)
            return answer
        return None

    async def _pass(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        async with self._ask(request, body) as upstream:
            answer = web.StreamResponse(status=upstream.status, headers=_kept(upstream.headers))
            await answer.prepare(request)
            async for piece in upstream.content.iter_any():
                await answer.write(piece)
            await answer.write_eof()
            return answer

    def _ask(self, request: web.BaseRequest, body: bytes) -> Any:
        return self._session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            headers=_kept(request.headers),
            data=body or None,
            allow_redirects=False,
        )


def beside(folder: Path, helm: Path, kubeconfig: Path) -> Path:
    """A helm for HELM_BIN that speaks to the API server itself, so that faults hit helm-safe alone."""
    script = folder / "helm-beside"
    words = f'KUBECONFIG={shlex.quote(str(kubeconfig))} exec {shlex.quote(str(helm))} "$@"'
    script.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
    script.chmod(0o700)
    return script


def _kept(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP]


def _refusal(code: int, retry_after: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": REASONS[code]}
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response({**body, "message": f"told to answer {code}"}, status=code, headers=headers)


def _reset(transport: asyncio.BaseTransport | None) -> None:
    """RST in place of an answer."""
    if isinstance(transport, asyncio.Transport):
        handle = transport.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
