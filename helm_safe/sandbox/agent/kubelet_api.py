"""The kubelet's HTTPS API on the node's address: logs, port-forward, the list of pods."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from aiohttp import web

from helm_safe.core.objects import Object
from helm_safe.sandbox.agent import channels, portforward
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.container import Container
from helm_safe.sandbox.agent.lifecycle import PodLife
from helm_safe.sandbox.agent.logs import Logs, lines
from helm_safe.sandbox.agent.podspec import uid_of

_POLL = 0.2


class Lives(Protocol):
    lives: dict[str, PodLife]

    def find(self, namespace: str, name: str, uid: str = "") -> PodLife | None: ...


class KubeletApi:
    """What the API server asks of a node. Whoever is in the sandbox's network may ask: there is nothing to guard."""

    def __init__(self, agent: Lives, logs: Logs, clock: Clock) -> None:
        self._agent = agent
        self._logs = logs
        self._clock = clock

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._container_logs)
        for path in ("/portForward/{namespace}/{pod}", "/portForward/{namespace}/{pod}/{uid}"):
            app.router.add_route("*", path, self._port_forward)
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, _request: web.Request) -> web.Response:
        pods: list[Object] = [each.pod for each in self._agent.lives.values()]
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        matched = request.match_info
        life = self._agent.find(matched["namespace"], matched["pod"], matched.get("uid", ""))
        if life is None or not life.address:
            raise web.HTTPNotFound(text=f'pod "{matched["pod"]}" is not running')
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await channels.serve(request, life.address)
        return await portforward.serve(request, life.address)

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        life, container = self._asked(request)
        try:
            wanted = LogRequest.read(request, self._clock.wall())
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}") from error
        path = self._file(request, life, container, wanted)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await _Sender(response, path, wanted).send(container)
        await response.write_eof()
        return response

    def _asked(self, request: web.Request) -> tuple[PodLife, Container]:
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        life = self._agent.find(namespace, name)
        if life is None:
            raise web.HTTPNotFound(text=f'pod "{name}" does not exist')
        wanted = request.match_info["container"]
        container = next((each for each in life.containers if each.spec.name == wanted), None)
        if container is None:
            raise web.HTTPNotFound(text=f'container "{wanted}" not found in pod "{name}"')
        return life, container

    def _file(self, request: web.Request, life: PodLife, container: Container, wanted: LogRequest) -> Path:
        """The file to read; what does not exist is refused in the kubelet's words."""
        name = request.match_info["pod"]
        run = container.restarts - 1 if wanted.previous else container.restarts
        path = self._logs.path(request.match_info["namespace"], uid_of(life.pod), container.spec.name, run)
        if run >= 0 and path.exists():
            return path
        if wanted.previous:
            text = f'previous terminated container "{container.spec.name}" in pod "{name}" not found'
        else:
            reason = container.waiting_reason or "ContainerCreating"
            text = f'container "{container.spec.name}" in pod "{name}" is waiting to start: {reason}'
        raise web.HTTPBadRequest(text=text)


@dataclass(frozen=True, slots=True)
class LogRequest:
    """The options of `kubectl logs`; tail and limit are None where everything is wanted."""

    tail: int | None
    limit: int | None
    since: datetime | None
    stamps: bool
    previous: bool
    follow: bool

    @classmethod
    def read(cls, request: web.Request, now: datetime) -> LogRequest:
        """Raises ValueError for a value that is none."""
        query = request.query
        since = None
        if seconds := query.get("sinceSeconds"):
            since = now - timedelta(seconds=_count("sinceSeconds", seconds) or 0)
        elif moment := query.get("sinceTime"):
            since = datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(timezone.utc)
        return cls(
            tail=_count("tailLines", query.get("tailLines")),
            limit=_count("limitBytes", query.get("limitBytes")),
            since=since,
            stamps=query.get("timestamps") == "true",
            previous=query.get("previous") == "true",
            follow=query.get("follow") == "true",
        )


def _count(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ValueError(f"invalid {name}: {text[:40]!r}")
    return int(text)


class _Sender:
    """Sends a log, and what is added to it while it is followed."""

    def __init__(self, response: web.StreamResponse, path: Path, wanted: LogRequest) -> None:
        self._response = response
        self._path = path
        self._wanted = wanted
        self._left = wanted.limit
        self._offset = 0

    async def send(self, container: Container) -> None:
        run = container.restarts
        await self._new(tail=self._wanted.tail)
        while self._wanted.follow and not self._wanted.previous and self._left != 0:
            over = container.restarts != run or not container.running or not self._path.exists()
            await asyncio.sleep(_POLL)
            await self._new(tail=None)
            if over:
                return

    async def _new(self, *, tail: int | None) -> None:
        data = self._read()
        for line in lines(data, tail=tail, since=self._wanted.since, stamps=self._wanted.stamps):
            part = line if self._left is None else line[: self._left]
            if self._left is not None:
                self._left -= len(part)
            if part:
                await self._response.write(part)

    def _read(self) -> bytes:
        """What was added since the last time, up to the last whole line; a halved file is read from its beginning."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            if self._path.stat().st_size < self._offset:
                self._offset = 0
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole
