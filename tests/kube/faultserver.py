"""An API server on loopback that misbehaves to order: real sockets, and an honest count of what took effect."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.model.errors import Conflict, Invalid, Missing
from tests.fakes.cluster import FakeCluster, resource

MAPS = resource("v1", "ConfigMap", "configmaps")
_KINDS = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
STATUS = {
    "409": (409, "Conflict"),
    "410": (410, "Expired"),
    "422": (422, "Invalid"),
    "429": (429, "TooManyRequests"),
    "500": (500, "InternalError"),
    "502": (502, ""),
    "503": (503, "ServiceUnavailable"),
    "504": (504, "Timeout"),
}


@dataclass
class Order:
    """What to do to the next `times` requests of a verb.

    fault: a status of STATUS; "reset", "silence", "truncated", "garbage"; "401"; "redirect"; "endless".
    applied: the request takes effect all the same. during: called after the effect, before the (lost) answer.
    """

    verb: str
    fault: str
    applied: bool = False
    times: int = 1
    retry_after: str = ""
    during: Any = None


@dataclass
class World:
    """The server's state: objects, orders, and every request it has seen, as (verb, path)."""

    store: FakeCluster = field(default_factory=FakeCluster)
    orders: list[Order] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def order(self, verb: str, fault: str, **details: Any) -> None:
        self.orders.append(Order(verb, fault, **details))

    def events(self, kind: str) -> int:
        """How often objects were really ADDED, MODIFIED or DELETED."""
        return sum(event == kind for _, event, _ in self.store._events)

    def count(self, verb: str) -> int:
        return sum(seen == verb for seen, _ in self.seen)


@contextmanager
def fault_server() -> Iterator[World]:
    world = World()

    class Handler(_Handler):
        state = world

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    world.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        world.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: World

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.state.seen.append((self.command, self.path))
        self.state.tokens.append(self.headers.get("Authorization", ""))
        order = self._order()
        if order is None:
            self._answer(*self._effect(body))
            return
        answer = self._effect(body) if order.applied else (200, {})
        if order.during:
            order.during()
        self._misbehave(order, answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - the names are http.server's

    def _order(self) -> Order | None:
        for order in self.state.orders:
            if order.times and order.verb in ("*", self.command):
                order.times -= 1
                return order
        return None

    def _misbehave(self, order: Order, answer: tuple[int, Any]) -> None:
        if order.fault in STATUS:
            code, reason = STATUS[order.fault]
            headers = {"Retry-After": order.retry_after} if order.retry_after else {}
            self._answer(code, _status(code, reason, f"told to answer {code}"), headers)
        elif order.fault == "401":
            self._answer(401, _status(401, "Unauthorized", "Unauthorized"))
        elif order.fault == "redirect":
            self._answer(302, {}, {"Location": self.state.url + "/elsewhere"})
        elif order.fault == "reset":
            self._reset()
        elif order.fault == "silence":
            self.state.release.wait(10)
            self.close_connection = True
        elif order.fault == "truncated":
            data = json.dumps(answer[1]).encode()
            self._raw(answer[0], data[: len(data) // 2], len(data))
            self.close_connection = True
        elif order.fault == "garbage":
            self._raw(answer[0], b"<html>hello</html>", 18)

    def _reset(self) -> None:
        """RST in place of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _effect(self, body: Any) -> tuple[int, Any]:
        try:
            return self._act(body)
        except (Missing, Conflict, Invalid) as refused:
            return refused.status, _status(refused.status, refused.reason, refused.message)

    def _act(self, body: Any) -> tuple[int, Any]:
        store, address = self.state.store, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        parts = address.path.strip("/").split("/")
        if len(parts) < 5:
            return 200, {"kind": "Other"}
        namespace, name = parts[3], parts[5] if len(parts) > 5 else ""
        ref = ObjectRef("", "ConfigMap", namespace, name)
        if self.command == "POST":
            return 201, store.create(MAPS, body)
        if self.command == "PATCH":
            kind: Any = _KINDS[self.headers["Content-Type"]]
            force = query.get("force") == "true"
            return 200, store.patch(MAPS, ref, body, kind=kind, manager=query.get("fieldManager", ""), force=force)
        if self.command == "DELETE":
            return self._delete(ref, str((body or {}).get("preconditions", {}).get("uid", "")))
        if name:
            found = store.get(MAPS, namespace, name)
            return (200, found) if found else (404, _status(404, "NotFound", f'configmaps "{name}" not found'))
        return self._listed(store, namespace, query)

    def _delete(self, ref: ObjectRef, uid: str) -> tuple[int, Any]:
        there = self.state.store.get(MAPS, ref.namespace, ref.name)
        if there and uid and there["metadata"]["uid"] != uid:
            return 409, _status(409, "Conflict", "the UID in the precondition does not match")
        if not self.state.store.delete(MAPS, ref):
            return 404, _status(404, "NotFound", "not found")
        return 200, _status(200, "", "", "Success")

    def _listed(self, store: FakeCluster, namespace: str, query: dict[str, str]) -> tuple[int, Any]:
        listing = store.list(MAPS, namespace)
        start, limit = int(query.get("continue") or 0), int(query.get("limit") or 0) or len(listing.items)
        items = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in listing.items]
        more = str(start + limit) if start + limit < len(items) else ""
        metadata = {"resourceVersion": listing.resource_version, "continue": more}
        return 200, {"kind": "ConfigMapList", "metadata": metadata, "items": items[start : start + limit]}

    def _answer(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(code, json.dumps(value).encode(), None, headers)

    def _raw(self, code: int, data: bytes, length: int | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _status(code: int, reason: str, message: str, status: str = "Failure") -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": status,
        "reason": reason,
        "message": message,
        "code": code,
    }
