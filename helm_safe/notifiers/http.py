"""The one way out to those who are told: bounded tries, no redirects, TLS verified, and no secret in any word.

A message is tried three times: after a connection that could not be made or broke, 429 (no longer than ten seconds) and
5xx. What cannot be told apart from a second message is not repeated once it may have arrived.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import tenacity
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from helm_safe import __version__, web
from helm_safe.core.printable import printable
from helm_safe.model.errors import UsageError
from helm_safe.model.incident import NotSent
from helm_safe.model.notifying import address
from helm_safe.notifiers.setup import Setup

TRIES = 3
MAX_BODY = 256 * 1024
PATIENCE = 10.0
"""Seconds that a server may ask us to wait before the next try."""
_CONNECT, _SILENCE, _BUDGET = 3.0, 10.0, 35.0


class Answer(NamedTuple):
    """What was answered to a message that was taken."""

    status: int
    text: str

    def json(self) -> Mapping[str, Any]:
        """The decoded object; empty for anything else."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class _Again(Exception):
    """An attempt that the next one may better. after: seconds that the server asked for."""

    def __init__(self, error: NotSent, after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after


class Http:
    """One receiver.

    headers: sent with each message. secrets: what no word may repeat, besides the setup's own. hidden: whether the
    address itself is the secret, so that only its host is named.
    """

    def __init__(
        self,
        setup: Setup,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        hidden: bool = False,
    ) -> None:
        if hidden and not _secret_address(url):
            raise UsageError(f"its secret is no address: {setup.secret.origin if setup.secret else ''}", "Set it anew.")
        parts = urlsplit(url)
        self._setup = setup
        self._url = url.rstrip("/") if not hidden else url
        self._shown = f"{parts.scheme}://{parts.netloc}/***" if hidden else self._url
        self._headers = dict(headers or {})
        self._secrets = [setup.key, *(re.findall(r"[^/=&?]{8,}", f"{parts.path}?{parts.query}") if hidden else ())]
        self._pool = web.pool(url, setup.env, ssl.create_default_context)
        self._not_before = 0.0
        self.host = printable(parts.netloc)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Answer | None:
        """The answer to a message that was taken; None in a dry run. Raises NotSent.

        body: JSON, or its bytes where a signature covers them. repeatable: whether the receiver can tell a repeated
        message from a new one.
        """
        content = body if body is None or isinstance(body, bytes) else encoded(body)
        if self._setup.dry:
            self._show(method, path, content, headers or {})
            return None
        clock = self._setup.clock
        if clock.monotonic() < self._not_before:
            raise NotSent(f"{self.host} limits messages; none is sent before it takes them again")
        deadline = clock.monotonic() + _BUDGET
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=lambda state: state.attempt_number >= TRIES or clock.monotonic() + _wait(state) > deadline,
            wait=_wait,
            sleep=clock.sleep,
            reraise=True,
        )
        sent = {"User-Agent": f"helm-safe/{__version__}", "Content-Type": "application/json", "Accept": "*/*"}
        sent |= {**self._headers, **(headers or {})}
        try:
            return retrying(self._once, method, self._url + path, content, sent, repeatable)
        except _Again as again:
            self._not_before = clock.monotonic() + (again.after or 0.0)
            raise again.error from None

    def words(self, said: object) -> str:
        """Words of the receiver, harmless, and without secrets of ours, which it may repeat."""
        return web.shown(self._masked(str(said)))

    def _masked(self, text: str) -> str:
        """Of an address that is secret, each part of it is."""
        for secret in sorted(filter(None, self._secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _once(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], repeatable: bool
    ) -> Answer:
        clock = self._setup.clock
        deadline = clock.monotonic() + _SILENCE
        try:
            response = self._pool.request(
                method,
                url,
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT, read=_SILENCE),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with closing(response):
                text = web.read(response, MAX_BODY, lambda: clock.monotonic() > deadline)
        except SSLError as error:
            raise self._broken(error) from None
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise _Again(NotSent(f"{self.host} cannot be reached ({type(error).__name__})")) from None
        except (HTTPError, OSError, web.TooSlow) as error:
            words = f"{self.host} does not answer ({type(error).__name__})"
            lost = NotSent(f"{words}; the message may have arrived", unsure=not repeatable)
            raise (_Again(lost) if repeatable else lost) from None
        except web.TooLong:
            raise NotSent(f"{self.host} answers with more than {MAX_BODY >> 10} KiB") from None
        if 200 <= response.status < 300:
            return Answer(response.status, text.decode("utf-8", "replace"))
        raise self._refusal(response.status, response.headers, text)

    def _broken(self, error: SSLError) -> Exception:
        words = self.words(error.args[0] if error.args else error)
        broken = NotSent(f"no trusted connection to {self.host}: {words}")
        return broken if web.distrusted(error) else _Again(broken)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        words = self.words(web.complaint(body))
        told = f": {words}" if words else ""
        origin = self._setup.secret.origin if self._setup.secret else "nowhere: none is set"
        if status in (401, 403):
            return NotSent(f"{self.host} refuses the credentials ({status}), which come from {origin}{told}")
        if status in (404, 410):
            return NotSent(f"{self.host} does not know the address ({status}), or it was revoked{told}")
        if 300 <= status < 400:
            return NotSent(f"{self.host} redirects ({status}), which is not followed")
        if status == 429:
            after = web.after(headers)
            limited = NotSent(f"{self.host} limits messages (429){told}")
            return _Again(limited, after)
        if status >= 500:
            return _Again(NotSent(f"{self.host} is in trouble ({status}){told}"), web.after(headers))
        return NotSent(f"{self.host} does not take the message ({status}){told}")

    def _show(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> None:
        text = self._masked((content or b"").decode("utf-8", "replace"))
        extra = "".join(f" {name}" for name in {**self._headers, **headers})
        self._setup.show(f"{self._setup.name}: {method} {self._shown}{path}{f' (with{extra})' if extra else ''} {text}")


def receiver(setup: Setup, default: str, headers: Mapping[str, str] | None = None) -> Http:
    """The receiver at the policy's address, else the vendor's own."""
    return Http(setup, str(setup.options.get("url") or default), headers=headers)


def encoded(body: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds until the next try: as the server asked, else about 0.5, 1 and 2; too long a wait ends the tries."""
    failure = state.outcome and state.outcome.exception()
    after = failure.after if isinstance(failure, _Again) else None
    if after is None:
        return web.BACK_OFF(state)
    return after if after <= PATIENCE else _BUDGET + 1


def _secret_address(url: str) -> bool:
    """Webhooks carry their secret in path or query; a password in front of the host is none of theirs."""
    return address(url.partition("?")[0].partition("#")[0]) and url.isprintable() and "#" not in url
