"""Requests to pods through the API server's proxy: sent once, timed, bounded, and told apart from its own answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from urllib.parse import quote, unquote

import urllib3

from helm_safe.kube.answers import Call, refusal, shown
from helm_safe.kube.client import Client
from helm_safe.kube.paths import segment
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import Invalid
from helm_safe.ports import ProxiedKind

TIMEOUT = 15.0
"""Seconds of silence after which a pod gave no answer."""
_OURS = frozenset({"authorization", "host", "connection", "transfer-encoding", "content-length", "upgrade", "cookie"})


def call(namespace: str, name: str, port: int | str, request: PodRequest, *, kind: ProxiedKind = "pods") -> Call:
    """The request, as it is sent. Raises Invalid for one that would not reach the pod or Service, but somebody else."""
    for header in request.headers:
        if header.lower() in _OURS or header.lower().startswith(("impersonate-", "proxy-")):
            raise Invalid(f"the header {shown(header)} would reach the API server, not the pod", status=400)
    inside = checked_path(request.path)
    return Call(
        request.method,
        f"/api/v1/namespaces/{segment(namespace)}/{kind}/{segment(f'{name}:{port}')}/proxy{inside}",
        f"/api/v1/namespaces/{{namespace}}/{kind}/{{name}}/proxy",
        shown(f"ask {kind.removesuffix('s')} {name} for {request.path.partition('?')[0]}"),
        body=request.body or None,
        content_type=_content_type(request.headers),
        headers=request.headers,
        accept="*/*",
        read_timeout=TIMEOUT,
    )


def _content_type(headers: Mapping[str, str]) -> str:
    return next((value for key, value in headers.items() if key.lower() == "content-type"), "text/plain")


def checked_path(path: str) -> str:
    """The path with its query, escaped. Raises Invalid for one that would leave the pod or Service."""
    route, _, query = path.partition("?")
    # Unescaped as the API server will do it: dots behind escapes would leave the pod's part of the path.
    parts = unquote(route).split("/")
    if not path.startswith("/") or {".", ".."} & set(parts) or not path.isprintable():
        raise Invalid(f'"{shown(path)}" cannot be asked for: an absolute path is needed', status=400)
    asked = quote(query, safe="/:@!$&'()*+,;=%-._~?")
    return quote(route, safe="/:@!$&'()*+,;=%-._~") + (f"?{asked}" if asked else "")


def proxied(client: Client, request: Call, limit: int) -> Proxied:
    """Send it; credentials are read again once where the API server itself, not the pod, answers 401."""
    answer = _ask(client, request, limit)
    status = _own_status(answer)
    if status == 401:
        client.renew()
        answer = _ask(client, request, limit)
        status = _own_status(answer)
    if not status:
        return answer
    if status >= 500:
        # The API server could not reach the pod: it refuses connections, is gone, or speaks another protocol.
        return answer._replace(status=0, body=shown(_message(answer.body)).encode())
    raise refusal(status, answer.body, request)


def _ask(client: Client, request: Call, limit: int) -> Proxied:
    began = time.monotonic()
    with client.exchange(request) as response:
        body = _beginning(response, limit)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Proxied(response.status, headers, body, time.monotonic() - began)


def _beginning(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    pieces, size = [], 0
    for piece in response.stream(min(limit, 1 << 16), decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size >= limit:
            break
    return b"".join(pieces)[:limit]


def _own_status(answer: Proxied) -> int:
    """The status where the API server itself refused, 0 where the pod answered."""
    return answer.status if answer.status >= 400 and _message(answer.body) else 0


def _message(body: bytes) -> str:
    """The message of a Status object, "" for any other body."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    own = isinstance(said, dict) and (said.get("kind"), said.get("apiVersion")) == ("Status", "v1")
    return str(said.get("message") or said.get("reason") or "refused") if own else ""
