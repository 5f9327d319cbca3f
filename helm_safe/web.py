"""What all HTTP of ours shares: proxies, bounds of an answer, how long a busy server wants to be left alone, its words.

Monitoring systems (metrics/) and those who are told of a run (notifiers/) are spoken to by these; the API server has a
client of its own (kube/).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import tenacity
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from helm_safe.core.dates import http_date
from helm_safe.core.printable import printable
from helm_safe.core.proxies import proxy_for
from helm_safe.core.redact import redact
from helm_safe.model.errors import UsageError

BACK_OFF = tenacity.wait_exponential(multiplier=0.5, max=4) + tenacity.wait_random(0, 0.5)
_RESETS = ("Retry-After", "X-RateLimit-Reset", "RateLimit-Reset")


class TooLong(Exception):
    """An answer that is larger than anybody needs."""


class TooSlow(Exception):
    """An answer that does not end: a server that sends a byte now and then must hold nobody up."""


def pool(url: str, env: Mapping[str, str], context: Callable[[], ssl.SSLContext]) -> urllib3.PoolManager:
    """Connections to the address, through the proxy that `env` names for it.

    context: how TLS is verified; asked for only where it is wanted. Raises UsageError for a proxy that is none.
    """
    settings: dict[str, Any] = {"num_pools": 1, "maxsize": 2}
    if url.startswith("https:"):
        settings["ssl_context"] = context()
    proxy = proxy_for(env, url)
    try:
        return urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
    except HTTPError:
        raise UsageError("HTTPS_PROXY or HTTP_PROXY is not the address of a proxy", "Write http://HOST:PORT.") from None


def read(response: urllib3.BaseHTTPResponse, most: int, late: Callable[[], bool]) -> bytes:
    """The body, read piece by piece. Raises TooLong beyond `most` bytes, TooSlow once it is late, and urllib3's own."""
    pieces, size = [], 0
    while piece := response.read1(1 << 16, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise TooLong
        if late():
            raise TooSlow
    return b"".join(pieces)


def after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a limiting server asks for, in whichever of the usual headers; None where it does not."""
    for name in _RESETS:
        told = headers.get(name, "").strip()
        if told.replace(".", "", 1).isdecimal() and len(told) < 7:
            return float(told)
    moment = http_date(headers.get("Retry-After", ""))
    sent = http_date(headers.get("Date", "")) or moment
    return max((moment - sent).total_seconds(), 0.0) if moment and sent else None


def distrusted(error: SSLError) -> bool:
    """Whether a certificate does not verify, which no other try mends; else the connection just broke."""
    words = str(error.args[0] if error.args else error).upper()
    return any(word in words for word in ("CERTIFICATE", "ALERT", "HOSTNAME", "WRONG_VERSION"))


def complaint(body: bytes) -> str:
    """The reason that a refusal gives, from whichever of the usual places; "" where it gives none."""
    try:
        return _words(json.loads(body[:65536]), 4)
    except (ValueError, RecursionError):
        text = body[:300].decode("utf-8", "replace")
        return "" if "<" in text else text


def shown(words: object) -> str:
    """Words of a server, harmless."""
    return printable(redact(str(words).strip()[:2000]))[:300]


def _words(said: Any, depth: int) -> str:
    if isinstance(said, str) or not depth:
        return said if isinstance(said, str) else ""
    if isinstance(said, list):
        return next(filter(None, (_words(each, depth - 1) for each in said[:10])), "")
    if not isinstance(said, Mapping):
        return ""
    names = ("constraintViolations", "error", "errors", "message", "detail", "title")
    return next(filter(None, (_words(said.get(name), depth - 1) for name in names)), "")
