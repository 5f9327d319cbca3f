"""The one way to a monitoring system over HTTP: credentials, TLS, tries, bounds, and errors for people.

A gate looks every few seconds, so one question takes at most `BUDGET` seconds, tries included. A request is repeated
after a lost connection, 429, 502, 503 and 504: all of them are questions, asking twice does nothing. Who is told to
come back later than the budget allows says so at once, and does not ask again before that time.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import tenacity
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from helm_safe import __version__, web
from helm_safe.core.printable import printable
from helm_safe.metrics.credentials import Login
from helm_safe.metrics.readings import several
from helm_safe.metrics.skew import Fetch, Skew
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import NoData, Reading, Refused
from helm_safe.ports import Clock

BUDGET = 20.0
"""Seconds that one question may take."""
MAX_BODY = 16 * 1024 * 1024
TRIES = 4
_CONNECT, _SILENCE = 5.0, 10.0
_BUSY = (429, 502, 503, 504)


class _Again(Exception):
    """An attempt that the next one may better. after: seconds that the server asked for, None where it did not."""

    def __init__(self, error: NoData, after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after


class Form(NamedTuple):
    """Fields of a form, the way that long queries are sent to systems that take them as GET as well."""

    fields: Sequence[tuple[str, str]]


class Http:
    """One monitoring system.

    what: its name for people ("Datadog"). url: where the API is, whatever path it is below. login: its headers and
    where they come from. options: `tls.ca`, `tls.cert` and `tls.key`, files in PEM; the address may go through the
    proxy that `env` names. Raises UsageError for an address or a file that cannot be used.
    """

    def __init__(
        self,
        what: str,
        url: str,
        clock: Clock,
        login: Login,
        *,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._url = checked(url).rstrip("/")
        self.name = f"{what} at {printable(urlsplit(self._url).netloc)}"
        self._clock = clock
        self._login = login
        self._pool = _pool(self._url, options or {}, env or {})
        self._not_before = 0.0
        self.skew = Skew()

    def ask(self, path: str, *, query: Mapping[str, str] | None = None, body: Any = None, accept: str = "") -> str:
        """The text of the answer to a question: a GET, or a POST of `body` (JSON, or a Form).

        query: parameters of the address. Raises Refused where a person must correct something, else NoData.
        """
        return self._asked(path, query or {}, body, accept or "*/*").decode("utf-8", "replace")

    def json(self, path: str, *, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """The decoded answer. Raises like `ask`, and NoData for what is no JSON."""
        text = self._asked(path, query or {}, body, "application/json")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self.useless() from None

    def readings(self, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        """The usable readings that `fetch` brings within the time, by this machine's clock; see `Skew.readings`."""
        return self.skew.readings(self.name, begin, end, fetch)

    def useless(self, why: str = "") -> NoData:
        """The error for an answer of the right status that is not what the API documents."""
        return NoData(f"{self.name} answers with something else than its API documents{why and f' ({why})'}")

    def refused(self, words: object) -> Refused:
        """The error for a query that the system says it cannot carry out."""
        return Refused(f"{self.name} cannot answer: {self.shown(words)}", "Correct the query.")

    def several(self, count: int, advice: str) -> Refused:
        """See `readings.several`. advice: what to write instead."""
        return several(self.name, count, f"write {advice}")

    def shown(self, words: object) -> str:
        """Words of the server, harmless, and without our own credentials, which it may repeat."""
        text = str(words)
        for secret in self._login.secrets:
            text = text.replace(secret, "***")
        return web.shown(text)

    def _asked(self, path: str, query: Mapping[str, str], body: Any, accept: str) -> bytes:
        now = self._clock.monotonic()
        if now < self._not_before:
            raise NoData(f"{self.name} limits requests: it is asked again in {self._not_before - now:.0f} s")
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=lambda state: self._enough(state, now + BUDGET),
            wait=_wait,
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, path, query, body, accept, now + BUDGET)
        except _Again as again:
            self._not_before = self._clock.monotonic() + (again.after or 0.0)
            raise again.error from None

    def _enough(self, state: tenacity.RetryCallState, deadline: float) -> bool:
        left = deadline - self._clock.monotonic()
        return state.attempt_number >= TRIES or left <= (_asked_for(state) or 0.0)

    def _once(self, path: str, query: Mapping[str, str], body: Any, accept: str, deadline: float) -> bytes:
        left = max(deadline - self._clock.monotonic(), 0.1)
        content, content_type = _encoded(body)
        headers = {"Accept": accept, "User-Agent": f"helm-safe/{__version__}", **self._login.headers, **content_type}
        asked = self._clock.now()
        try:
            response = self._pool.request(
                "GET" if content is None else "POST",
                f"{self._url}{path}{'?' if query else ''}{urlencode(query)}",
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(_CONNECT, left), read=min(_SILENCE, left)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with closing(response):
                self.skew.learn(response.headers, asked)
                said = self._bounded(response, deadline)
        except SSLError as error:
            raise self._no_trust(error) from None
        except (HTTPError, OSError) as error:
            raise _Again(NoData(f"{self.name} does not answer ({type(error).__name__})")) from None
        if response.status == 200:
            return said
        raise self._refusal(response, said)

    def _bounded(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """The body, read piece by piece: a server that sends a byte now and then does not hold a gate up."""
        try:
            return web.read(response, MAX_BODY, lambda: self._clock.monotonic() > deadline)
        except web.TooLong:
            raise NoData(f"{self.name} answers with more than {MAX_BODY >> 20} MiB", "Ask for less.") from None
        except web.TooSlow:
            raise NoData(f"{self.name} does not answer within {BUDGET:.0f} s") from None

    def _refusal(self, response: urllib3.BaseHTTPResponse, body: bytes) -> Exception:
        status, words = response.status, self.shown(web.complaint(body))
        told = f": {words}" if words else ""
        if status in (401, 403):
            why = f"refuses the credentials ({status}), which are taken from {self._login.variables}"
            return Refused(f"{self.name} {why}{told}", "Set them anew, and see what they may read.")
        if 300 <= status < 400:
            return Refused(f"{self.name} redirects ({status}), which is not followed", "Give the address it leads to.")
        if status in _BUSY:
            limited = "limits requests" if status == 429 else "is busy or down"
            return _Again(NoData(f"{self.name} {limited} ({status}){told}"), web.after(response.headers))
        if 400 <= status < 500 and status != 408:
            return Refused(f"{self.name} cannot answer ({status}){told}", "Correct the query or the address.")
        return NoData(f"{self.name} is in trouble ({status}){told}")

    def _no_trust(self, error: SSLError) -> Exception:
        """A certificate that does not verify will not do so at the next try."""
        words = self.shown(error.args[0] if error.args else error)
        if not web.distrusted(error):
            return _Again(NoData(f"{self.name} does not answer (TLS: {words})"))
        advice = "metrics.tls.ca names the certificate authority, metrics.tls.cert and .key the client certificate."
        return Refused(f"no trusted connection to {self.name}: {words}", advice)


def checked(url: str) -> str:
    """The address, when it is one. Raises UsageError, never repeating a password that it may hold."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        raise UsageError(
            "metrics.url (--metrics) is not the address of a monitoring system",
            "Write http://HOST:PORT or https://HOST/PATH.",
        )
    if "@" in parts.netloc:
        raise UsageError(
            "metrics.url (--metrics) holds a password, which others on this machine can read",
            "Take it out, and set the environment variables that docs/metrics.md names for the provider.",
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "metrics.url (--metrics) has a query; the address of the API ends before it", "Leave out what follows '?'."
        )
    return url


def _pool(url: str, options: Mapping[str, Any], env: Mapping[str, str]) -> urllib3.PoolManager:
    files = [str(options.get(f"tls.{name}") or "") for name in ("ca", "cert", "key")]
    return web.pool(url, env, lambda: _context(*files))


def _context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """authority: a file of certificates that are trusted instead of the system's."""
    if key and not certificate:
        raise UsageError("metrics.tls.key is set without metrics.tls.cert", "Name the certificate of the key as well.")
    try:
        context = ssl.create_default_context(cafile=authority or None)
        if certificate:
            # An encrypted key would make OpenSSL ask on the terminal; a password of "" makes it fail instead.
            context.load_cert_chain(certificate, key or None, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(
            f"metrics.tls: the certificates cannot be used ({printable(reason)})",
            "metrics.tls.ca, .cert and .key are files in PEM; the key has no password.",
        ) from None
    return context


def _encoded(body: Any) -> tuple[bytes | None, Mapping[str, str]]:
    if body is None:
        return None, {}
    if isinstance(body, Form):
        return urlencode(body.fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return json.dumps(body, separators=(",", ":")).encode(), {"Content-Type": "application/json"}


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds until the next try: what the server asked for, else about 0.5, 1 and 2."""
    after = _asked_for(state)
    return web.BACK_OFF(state) if after is None else after


def _asked_for(state: tenacity.RetryCallState) -> float | None:
    failure = state.outcome and state.outcome.exception()
    return failure.after if isinstance(failure, _Again) else None
