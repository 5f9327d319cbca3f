"""Requests to a pod's own port by the API server's port-forward: HTTP/1.1 over one WebSocket per connection.

The subprotocol is `v4.channel.k8s.io`: the API server hands it through to the kubelet, which has spoken it since 1.7.
The newer `SPDY/3.1+portforward.k8s.io` (1.30 and later) carries many connections in one, which a warm-up that keeps its
few connections does not need.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, cast

from urllib3.util.ssltransport import SSLTransport

from helm_safe.kube.answers import Call, shown
from helm_safe.kube.client import Client
from helm_safe.kube.forwarding import TIMEOUT, checked_path
from helm_safe.kube.paths import segment
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import ClusterError
from helm_safe.ports import Ask

if TYPE_CHECKING:
    from websocket import WebSocket

PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_REPEATABLE = ("GET", "HEAD")


def call_of(namespace: str, pod: str, port: int) -> Call:
    """What the API server is asked for a connection to that port of the pod."""
    return Call(
        "GET",
        f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/portforward",
        "/api/v1/namespaces/{namespace}/pods/{name}/portforward",
        shown(f"forward port {port} of pod {pod}"),
        query=(("ports", str(port)),),
        read_timeout=TIMEOUT,
    )


@contextmanager
def forwarded(client: Client, namespace: str, name: str, port: int) -> Iterator[Ask]:
    """Asks the pod; its connections are closed when the context is left."""
    pod = name.removeprefix("https:")
    call = call_of(namespace, pod, port)
    asking = _Asking(client, call, port, secure=pod != name)
    try:
        yield asking
    finally:
        asking.close()


class _Asking:
    """Keeps connections that can be used again; each is used by one thread at a time."""

    def __init__(self, client: Client, call: Call, port: int, *, secure: bool) -> None:
        self._client = client
        self._call = call
        self._port = port
        self._secure = secure
        self._idle: deque[_Tunnel] = deque()

    def __call__(self, request: PodRequest) -> Proxied:
        checked = request._replace(path=checked_path(request.path))
        kept = self._kept()
        if kept:
            answer = self._ask(kept, checked)
            # One that broke while it lay idle says nothing about the pod.
            if answer.status or request.method not in _REPEATABLE:
                return answer
        try:
            tunnel = _Tunnel(self._client.upgrade(self._call, PROTOCOL), self._port, secure=self._secure)
        except (OSError, _failure()) as error:
            return _nothing(str(error))
        except ClusterError as error:
            if error.status < 500:
                raise
            return _nothing(error.message)  # the kubelet could not be reached, or will not
        return self._ask(tunnel, checked)

    def _kept(self) -> _Tunnel | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _ask(self, tunnel: _Tunnel, request: PodRequest) -> Proxied:
        answer = tunnel.ask(request)
        if tunnel.usable:
            self._idle.append(tunnel)
        else:
            tunnel.close()
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Tunnel:
    """One connection to the pod's port."""

    def __init__(self, web: WebSocket, port: int, *, secure: bool) -> None:
        self._stream = Stream(web)
        self._http = HTTPConnection("localhost", port)
        self._http.auto_open = 0  # it must never dial by itself: "localhost" is the pod's
        self.usable = False
        try:
            self._http.sock = (
                SSLTransport(cast("socket.socket", self._stream), _unverified()) if secure else self._stream
            )
        except BaseException:
            self._stream.close()
            raise

    def ask(self, request: PodRequest) -> Proxied:
        """One request; status 0 where no whole answer came, with the kubelet's reason where it gave one."""
        self.usable = False
        began = time.monotonic()
        try:
            self._http.request(request.method, request.path, request.body or None, dict(request.headers))
            response = self._http.getresponse()
            found = response.read(request.limit)
            self.usable = not response.will_close and (response.isclosed() or not response.read(1))
        except (OSError, HTTPException, _failure()) as error:
            return _nothing(self._stream.complaint or str(error) or type(error).__name__)
        names = {name.lower(): value for name, value in response.getheaders()}
        return Proxied(response.status, names, found, time.monotonic() - began)

    def close(self) -> None:
        self._stream.close()


class Stream:
    """What HTTP and TLS need of a socket, over the WebSocket's data channel.

    Each message begins with its channel's number; the first of a channel only repeats the port. complaint: what the
    kubelet said on the error channel.
    """

    _io_refs = 0

    def __init__(self, web: WebSocket) -> None:
        self._web = web
        self._left = b""
        self._greeted: set[int] = set()
        self.complaint = ""

    def sendall(self, data: Any, _flags: int = 0) -> None:
        if data:
            self._web.send_binary(bytes((_DATA,)) + bytes(data))

    def recv(self, size: int, _flags: int = 0) -> bytes:
        while not self._left:
            message = self._message()
            if message is None:
                return b""
            self._left = message
        found, self._left = self._left[:size], self._left[size:]
        return found

    def recv_into(self, buffer: Any) -> int:
        found = self.recv(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def makefile(self, _mode: str, _buffering: int | None = None) -> io.BufferedReader:
        return io.BufferedReader(socket.SocketIO(cast("socket.socket", self), "r"))

    def _decref_socketios(self) -> None:
        """An answer that was read does not end the connection."""

    def close(self) -> None:
        self._web.shutdown()  # type: ignore[no-untyped-call]

    def _message(self) -> bytes | None:
        """The next piece of data, perhaps empty; None at the end."""
        from websocket import ABNF

        kind, message = self._web.recv_data()
        if kind == ABNF.OPCODE_CLOSE or not message:
            return None
        channel, data = message[0], bytes(message[1:])
        if channel not in self._greeted:
            self._greeted.add(channel)
            return b""
        if channel == _ERROR:
            self.complaint = shown(data.decode("utf-8", "replace"))
            return None
        return data


def _nothing(why: str) -> Proxied:
    return Proxied(0, {}, shown(why).encode(), 0.0)


def _failure() -> type[Exception]:
    """What the WebSocket library raises; it is loaded by whoever forwards a port, and by nobody else."""
    from websocket import WebSocketException

    return cast("type[Exception]", WebSocketException)


def _unverified() -> ssl.SSLContext:
    """As the API server's own proxy: pods' certificates are made for names that nobody resolves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
