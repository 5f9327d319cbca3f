"""A port of a pod at a port of this machine, for protocols other than HTTP: one WebSocket per connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from helm_safe.kube.answers import Call
from helm_safe.kube.client import Client
from helm_safe.kube.portforward import PROTOCOL, Stream, call_of
from helm_safe.model.errors import ClusterError

_CHUNK = 65536


@contextmanager
def tunnelled(client: Client, namespace: str, pod: str, port: int) -> Iterator[tuple[str, int]]:
    """Listens on a free port of the loopback until the context is left; gives its address.

    Whoever connects is carried to the pod. Nothing is asked of the API server before.
    """
    call = call_of(namespace, pod, port)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, client, call), daemon=True).start()
        try:
            yield "127.0.0.1", listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts


def _serve(listener: socket.socket, client: Client, call: Call) -> None:
    while True:
        try:
            ours, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(ours, client, call), daemon=True).start()


def _carry(ours: socket.socket, client: Client, call: Call) -> None:
    """One connection, both ways, until either side ends it."""
    from websocket import WebSocketException

    with ours:
        try:
            theirs = Stream(client.upgrade(call, PROTOCOL))
        except (OSError, WebSocketException, ClusterError):
            return  # whoever connected sees the connection end, as with a port where nobody listens
        try:
            threading.Thread(target=_up, args=(ours, theirs), daemon=True).start()
            while data := theirs.recv(_CHUNK):
                ours.sendall(data)
        except (OSError, WebSocketException):
            return
        finally:
            with suppress(OSError, WebSocketException):
                theirs.close()
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)


def _up(ours: socket.socket, theirs: Stream) -> None:
    from websocket import WebSocketException

    with suppress(OSError, WebSocketException):
        while data := ours.recv(_CHUNK):
            theirs.sendall(data)
        theirs.close()
