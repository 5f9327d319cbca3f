"""Port-forward over a WebSocket, as kubelets have spoken it since 1.7: two channels per port, data and errors.

Every message begins with the number of its channel; the first of each channel repeats the port.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

PROTOCOL = "v4.channel.k8s.io"
_CHUNK = 32 * 1024


async def serve(request: web.Request, address: str) -> web.StreamResponse:
    """Forward the ports of the query until either side ends. Raises HTTPBadRequest for ports that are none."""
    ports = [_port(text) for text in request.query.getall("port", [])]
    if not ports:
        raise web.HTTPBadRequest(text='query parameter "port" is required')
    web_socket = web.WebSocketResponse(protocols=(PROTOCOL,))
    await web_socket.prepare(request)
    for channel in range(2 * len(ports)):
        await web_socket.send_bytes(bytes((channel,)) + ports[channel // 2].to_bytes(2, "little"))
    pods = [await _connect(web_socket, number, port, address) for number, port in enumerate(ports)]
    copying = [asyncio.create_task(_copy(web_socket, number, pod[0])) for number, pod in enumerate(pods) if pod]
    ending = asyncio.create_task(_end(web_socket, copying))
    try:
        async for message in web_socket:
            if message.type is WSMsgType.BINARY:
                await _deliver(pods, message.data)
    finally:
        for task in (*copying, ending):
            task.cancel()
        for pod in filter(None, pods):
            pod[1].close()
    return web_socket


Pod = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connect(web_socket: web.WebSocketResponse, number: int, port: int, address: str) -> Pod | None:
    try:
        return await asyncio.open_connection(address, port)
    except OSError as error:
        words = f"error forwarding port {port} to pod: dial {address}:{port}: {error.strerror}"
        await web_socket.send_bytes(bytes((2 * number + 1,)) + words.encode())
        return None


async def _copy(web_socket: web.WebSocketResponse, number: int, reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await web_socket.send_bytes(bytes((2 * number,)) + data)


async def _end(web_socket: web.WebSocketResponse, copying: list[asyncio.Task[None]]) -> None:
    """The connection ends when the last pod's side has."""
    await asyncio.gather(*copying)
    await web_socket.close()


async def _deliver(pods: list[Pod | None], message: bytes) -> None:
    number, kind = divmod(message[0], 2) if message else (0, 1)
    pod = pods[number] if number < len(pods) and kind == 0 else None
    if pod:
        with suppress(ConnectionError):
            pod[1].write(message[1:])
            await pod[1].drain()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise web.HTTPBadRequest(text=f"invalid port {text[:20]!r}")
    return int(text)
