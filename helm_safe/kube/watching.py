"""Watches: events as they come, an end in time, and no more memory than one event needs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from helm_safe.core.objects import Object, mapping
from helm_safe.kube.answers import Call, refusal
from helm_safe.kube.client import MAX_BODY, Client
from helm_safe.model.errors import ClusterError
from helm_safe.model.snapshot import Resource

GRACE = 10.0
"""Seconds that the server may be late with the end that was asked for."""


def watch(client: Client, call: Call, resource: Resource, since: str, seconds: float) -> Iterator[tuple[str, Object]]:
    """(type, object), BOOKMARK included; ends after `seconds`, or before when the server or the network ends it.

    Raises Conflict with status 410 when `since` is too old, ClusterError for other refusals.
    """
    asked = watching(call, since, seconds)
    end = time.monotonic() + seconds
    for event in events(client.stream(asked), resource, asked):
        yield event
        if time.monotonic() >= end:
            return


def watching(call: Call, since: str, seconds: float) -> Call:
    """The watch that goes on from a list: `call` is the list."""
    query = (
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", since),
        ("timeoutSeconds", str(max(1, math.ceil(seconds)))),
    )
    return replace(
        call,
        query=call.query + query,
        template=f"{call.template}?watch",
        what=call.what.replace("list", "watch", 1),
        read_timeout=seconds + GRACE,
    )


def events(pieces: Iterable[bytes], resource: Resource, call: Call) -> Iterator[tuple[str, Object]]:
    """(type, object) from the pieces of an answer to `call`; raises what an ERROR among them says."""
    for line in _lines(pieces):
        event = _event(line)
        if event is None:
            return
        kind, obj = event
        if kind == "ERROR":
            raise _error(obj, call)
        yield kind, {"apiVersion": resource.gvk.api_version, "kind": resource.gvk.kind, **obj}


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join([*held, line])
            held, size = [], 0
        held.append(rest)
        size += len(rest)
        if size > MAX_BODY:
            return


def _event(line: bytes) -> tuple[str, Object] | None:
    """None for a line that was cut off: the watch ends there, and the caller goes on from what it has seen."""
    try:
        event: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return (str(event.get("type")), mapping(event, "object")) if isinstance(event, dict) else None


def _error(status: Object, call: Call) -> ClusterError:
    code = status.get("code")
    return refusal(code if isinstance(code, int) and code >= 300 else 500, json.dumps(status).encode(), call)
