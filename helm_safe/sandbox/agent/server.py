"""Sockets: real HTTP servers on the pods' own addresses, and the agent's own APIs over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from helm_safe.sandbox.agent.answers import Answering
from helm_safe.sandbox.agent.clock import Clock

_BACKLOG = 1024


class Listener(Protocol):
    """An open socket of a container."""

    async def close(self, drain: float) -> None:
        """Refuse connections from now on; requests under way have `drain` seconds to end, then they are cut."""


@dataclass(frozen=True, slots=True)
class Face:
    """Who answers: what a response says about its pod, and how it decides. say: writes a line to the log."""

    pod: str
    namespace: str
    container: str
    version: str
    image: str
    answering: Answering
    clock: Clock
    say: Callable[[str], None]

    @property
    def headers(self) -> dict[str, str]:
        return {"x-pod": self.pod, "x-version": self.version}

    def body(self, message: str) -> dict[str, str]:
        return {
            "pod": self.pod,
            "namespace": self.namespace,
            "container": self.container,
            "version": self.version,
            "image": self.image,
            "message": message,
        }


Listen = Callable[[str, int, Face], Awaitable[Listener]]


class HttpListener:
    """One HTTP server on one address and port."""

    def __init__(self, runner: web.ServerRunner) -> None:
        self._runner = runner

    async def close(self, drain: float) -> None:
        # aiohttp takes 0 for "without end".
        self._runner._shutdown_timeout = max(drain, 0.001)  # noqa: SLF001 - known only now; the constructor is its one public setter
        await self._runner.cleanup()


async def listen_http(address: str, port: int, face: Face) -> HttpListener:
    """Open an HTTP server; raises OSError where the address is taken or not of this machine."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        # The body is read and dropped, so that the connection can serve the next request.
        await request.read()
        answer = face.answering.answer(request.method, request.path_qs, face.clock.now())
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.log:
            face.say(answer.log)
        return web.json_response(face.body(answer.message), status=answer.status, headers=face.headers)

    runner = web.ServerRunner(web.Server(handle, access_log=None), handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, backlog=_BACKLOG).start()
    except OSError:
        await runner.cleanup()
        raise
    return HttpListener(runner)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM form."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(self.certificate, self.key)
        return found


@asynccontextmanager
async def serving(app: web.Application, address: str, port: int, certificate: Certificate) -> AsyncIterator[None]:
    """Serve while the context lasts; raises OSError where the address is taken or the certificate unreadable."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=certificate.context()).start()
        yield
    finally:
        await runner.cleanup()
