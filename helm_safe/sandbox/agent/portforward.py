"""`kubectl port-forward`: streams of one upgraded connection, spliced to the pod's ports.

Each forwarded connection is a pair of streams, `error` and `data`, with one request id.
Written here and not with the upstream Go package: it would be one more program to build and to keep alive.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from helm_safe.sandbox.agent import spdy

PROTOCOL = "portforward.k8s.io"
_CHUNK = 64 * 1024
_MOST_FRAME = 1 << 20


async def serve(request: web.Request, address: str) -> web.StreamResponse:
    """Answer a portForward request of the API server: switch to SPDY, and forward until the connection ends."""
    if request.headers.get("Upgrade", "").lower() != "spdy/3.1" or request.transport is None:
        raise web.HTTPBadRequest(text="port-forward needs an upgrade to SPDY/3.1")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": PROTOCOL}
    response = web.StreamResponse(status=101, headers=headers)
    await response.prepare(request)
    transport, before = request.transport, request.transport.get_protocol()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_MOST_FRAME)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        await Forwarding(reader, writer, address).run()
    finally:
        transport.set_protocol(before)
        transport.close()
    return response


@dataclass(slots=True)
class _Pair:
    """The two streams of one forwarded connection, and its connection to the pod once there is one."""

    port: int
    error: int = 0
    data: int = 0
    pod: asyncio.StreamWriter | None = None
    early: list[bytes] = field(default_factory=list)
    closed: bool = False


class Forwarding:
    """One upgraded connection with its streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        self._reader = reader
        self._writer = writer
        self._address = address
        self._headers = spdy.Headers()
        self._pairs: dict[str, _Pair] = {}
        self._streams: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read frames until the other side goes away."""
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, spdy.SpdyError):
                while await self._frame():
                    pass
        finally:
            for task in self._tasks:
                task.cancel()
            for pair in self._pairs.values():
                _close(pair)

    async def _frame(self) -> bool:
        head = spdy.head(await self._reader.readexactly(spdy.HEAD))
        if head.length > _MOST_FRAME:
            raise spdy.SpdyError("a frame is larger than any port-forward needs")
        body = await self._reader.readexactly(head.length)
        if head.kind is None:
            await self._data(head.number, body, last=head.last)
        elif head.kind == spdy.SYN_STREAM:
            self._opened(body)
        elif head.kind == spdy.RST_STREAM:
            _close(self._streams.pop(spdy.stream_number(body), None))
        elif head.kind == spdy.PING:
            self._writer.write(spdy.pong(body))
        await self._writer.drain()
        return head.kind != spdy.GOAWAY

    def _opened(self, body: bytes) -> None:
        number, headers = spdy.stream_number(body), self._headers.read(body)
        kind, port = headers.get("streamtype"), headers.get("port", "")
        if kind not in ("error", "data") or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            self._writer.write(spdy.reset(number))
            return
        self._writer.write(self._headers.reply(number))
        # Clients too old to send a request id open the error stream first, and the data stream next to it.
        default = number if kind == "error" else number - 2
        pair = self._pairs.setdefault(headers.get("requestid", f"stream {default}"), _Pair(int(port)))
        if kind == "error":
            pair.error = number
        else:
            pair.data = number
            self._streams[number] = pair
        if pair.error and pair.data:
            task = asyncio.create_task(self._forward(pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _data(self, number: int, body: bytes, *, last: bool) -> None:
        pair = self._streams.get(number)
        if pair is None:
            return
        pair.closed |= last
        if pair.pod is None:
            pair.early.append(body)
            return
        with suppress(ConnectionError):
            pair.pod.write(body)
            await pair.pod.drain()
            if last and pair.pod.can_write_eof():
                pair.pod.write_eof()

    async def _forward(self, pair: _Pair) -> None:
        """Connect to the pod, copy what it says, and tell the client's error stream where that fails."""
        try:
            reader, pair.pod = await asyncio.open_connection(self._address, pair.port)
            pair.pod.writelines(pair.early)
            if pair.closed:
                pair.pod.write_eof()
            while data := await reader.read(_CHUNK):
                self._writer.write(spdy.data_frame(pair.data, data))
                await self._writer.drain()
        except OSError as error:
            message = f"error forwarding port {pair.port} to pod: dial {self._address}:{pair.port}: {error.strerror}"
            self._writer.write(spdy.data_frame(pair.error, message.encode()))
        finally:
            _close(pair)
            self._streams.pop(pair.data, None)
            self._pairs = {key: value for key, value in self._pairs.items() if value is not pair}
        for number in (pair.data, pair.error):
            self._writer.write(spdy.data_frame(number, b"", last=True))


def _close(pair: _Pair | None) -> None:
    if pair and pair.pod:
        pair.pod.close()
