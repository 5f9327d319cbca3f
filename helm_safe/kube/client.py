"""The one way to the API server: one request policy for everything.

What is re-sent, and what is not:

- A call without effects (GET, LIST, WATCH, dry run, access review) is repeated after any failure that may pass:
  no connection, a lost or unreadable answer, 429, 502, 503, 504, and 500 for GET. Up to 10 tries and 60 seconds, with
  jittered back-off, or after the time that Retry-After names.
- A write is re-sent as it stands only when the server surely did not act: no connection came about, 429, or 503 with
  Retry-After (the API server says so before it handles a request).
- After any other failure of a write (connection lost, silence, unreadable answer, 500, 502, 503, 504) the object is
  read again, and `settle` decides: it happened, or send it again bound to what was just read, or somebody else wrote.
  What stays open when tries run out is `WriteUnknown`: exit code 4 and the command to look.
- Before the first answer of the server three tries are enough: a wrong address shows at once.

Every sending asks the call's guard first: a process that lost its Lease while it waited for the next try sends nothing.
Redirects are not followed, answers are bounded, credentials are read again once on a 401.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import tenacity
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError, SSLError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from helm_safe.core.dates import http_date
from helm_safe.kube.answers import Again, Answer, Call, WriteUnknown, refusal, shown
from helm_safe.kube.config import Connection
from helm_safe.kube.stream import Stream
from helm_safe.kube.transport import Transport
from helm_safe.model.errors import ClusterError, Conflict, Unreachable

if TYPE_CHECKING:
    from websocket import WebSocket

Settle = Callable[[Call], "Answer | Call"]
"""Decides a doubtful write: an Answer when it happened, else the Call to send next; raises ClusterError or Again."""

T = TypeVar("T")
CONNECT_TIMEOUT = 5.0
BUDGET = 60.0
"""Seconds that one request may take, retries included, before the next try is not begun."""
MAX_BODY = 64 * 1024 * 1024
FIRST_TRIES = 3
_BUSY = (429, 502, 503, 504)


class Client:
    """Requests to one API server; safe to share between threads.

    silence: the most seconds that any call waits for the next piece of an answer. `calls` counts requests by verb and
    path template.
    """

    def __init__(
        self, connection: Connection, *, sleep: Callable[[float], None] = time.sleep, silence: float = math.inf
    ) -> None:
        self.connection = connection
        self._silence = silence
        self.calls: Counter[tuple[str, str]] = Counter()
        self._sleep = sleep
        self._transport = Transport(connection)
        self._lock = threading.Lock()
        self._clock: tuple[datetime, float] | None = None

    def read(self, call: Call) -> Answer:
        """The answer to a call without effects."""
        try:
            return self._persist(lambda: self._once(call))
        except Again as again:
            raise again.error from None

    def write(self, call: Call, settle: Settle) -> Answer:
        """The answer to a call with effects, which happen at most once."""
        writing = _Writing(self._once, call, settle)
        try:
            return self._persist(writing.attempt)
        except Again as again:
            return writing.last_word(again.error)

    def fetch(self, call: Call) -> Answer:
        """One attempt to read, for use inside `settle`: failures go to the loop that is running already."""
        return self._once(call)

    def stream(self, call: Call, *, once: bool = False) -> Stream:
        """An endless answer. once: no second try, for whoever waits between tries in a way of its own."""
        try:
            return Stream(self._open(call) if once else self._persist(lambda: self._open(call)))
        except Again as again:
            raise again.error from None

    @contextmanager
    def exchange(self, call: Call) -> Iterator[urllib3.BaseHTTPResponse]:
        """One sending without retries; the response is whoever's answered behind the API server, any status.

        Raises ClusterError where no answer came; its Date is not taken for the API server's clock.
        """
        try:
            response = self._send(call, note=False)
        except Again as again:
            raise again.error from None
        with closing(response):
            try:
                yield response
            except (HTTPError, OSError) as error:
                raise _lost(call, error).error from None

    def upgrade(self, call: Call, protocol: str) -> WebSocket:
        """Turn one request into a WebSocket, without retries; credentials are read again once on a 401.

        Raises ClusterError where the server refuses or cannot be reached.
        """
        from websocket import WebSocketBadStatusException, WebSocketException

        used = self._transport.generation
        try:
            try:
                return self._upgrade(call, protocol)
            except WebSocketBadStatusException as refused:
                if refused.status_code != 401:
                    raise
                self._transport.renew(used)
                return self._upgrade(call, protocol)
        except WebSocketBadStatusException as refused:
            raise refusal(refused.status_code, refused.resp_body or b"", call) from None
        except (WebSocketException, HTTPException, OSError) as error:
            raise self._no_connection(error) from None

    def _upgrade(self, call: Call, protocol: str) -> WebSocket:
        call.guard()
        with self._lock:
            self.calls[call.verb, call.template] += 1
        target = f"{call.path}?{urlencode(call.query)}"
        return self._transport.upgrade(target, protocol, connect=CONNECT_TIMEOUT, read=call.read_timeout)

    def renew(self) -> None:
        """Read the credentials again."""
        self._transport.renew(self._transport.generation)

    def server_time(self) -> datetime | None:
        """The API server's clock as far as its answers tell it, None before the first one."""
        with self._lock:
            return self._clock and self._clock[0] + timedelta(seconds=time.monotonic() - self._clock[1])

    def close(self) -> None:
        self._transport.close()

    def _persist(self, attempt: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Again),
            stop=self._enough,
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(attempt)

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        again = _failure(state)
        tries = again.tries if self._clock else min(again.tries, FIRST_TRIES)
        spent = (state.seconds_since_start or 0.0) + (again.retry_after or 0.0)
        return state.attempt_number >= tries or spent > BUDGET

    def _once(self, call: Call) -> Answer:
        response = self._open(call)
        try:
            with closing(response):
                body = _bounded(response)
            value = json.loads(body) if call.accept.startswith("application/json") else None
        except (HTTPError, OSError, ValueError, RecursionError) as error:
            response.release_conn()
            raise _lost(call, error) from None
        return Answer(response.status, value, b"" if value is not None else body)

    def _open(self, call: Call) -> urllib3.BaseHTTPResponse:
        """A response of a successful status, its body still to be read."""
        used = self._transport.generation
        response = self._send(call)
        if response.status == 401:
            response.close()
            self._transport.renew(used)
            response = self._send(call)
        if response.status < 300:
            return response
        with closing(response):
            raise self._refused(call, response)

    def _send(self, call: Call, *, note: bool = True) -> urllib3.BaseHTTPResponse:
        call.guard()
        with self._lock:
            self.calls[call.verb, call.template] += 1
        try:
            response = self._transport.send(
                call.verb,
                call.path + (f"?{urlencode(call.query)}" if call.query else ""),
                {**call.headers, "Accept": call.accept, "Content-Type": call.content_type},
                _encoded(call.body),
                urllib3.Timeout(connect=CONNECT_TIMEOUT, read=min(call.read_timeout, self._silence)),
            )
        except (NewConnectionError, urllib3.exceptions.ConnectTimeoutError, ProxyError) as error:
            raise Again(self._no_connection(error)) from None
        except SSLError as error:
            raise self._no_trust(call, error) from None
        except (HTTPError, OSError) as error:
            raise _lost(call, error) from None
        if note:
            self._note_time(response)
        return response

    def _refused(self, call: Call, response: urllib3.BaseHTTPResponse) -> Exception:
        try:
            body = _bounded(response)
        except (HTTPError, OSError, ValueError):
            body = b""
        if response.status == 401:
            return Unreachable(
                f"The API server does not accept the credentials of {self.connection.source}, "
                "also after they were read again: they have expired or were revoked.",
                "Log in again, then repeat the command.",
                status=401,
                reason="Unauthorized",
            )
        error = refusal(response.status, body, call)
        return self._may_pass(call, error, _retry_after(response)) or error

    def _may_pass(self, call: Call, error: ClusterError, after: float | None) -> Again | None:
        """The refusal as something to try again, where that is right."""
        status = error.status
        if call.repeatable:
            passing = status in _BUSY or (status == 500 and call.verb == "GET")
            return Again(error, retry_after=after) if passing else None
        if status == 429 or (status == 503 and after is not None):
            return Again(error, retry_after=after)
        if status >= 500 or status == 408:
            return Again(error, doubt=True, tries=3 if status == 500 else 10, retry_after=after)
        return None

    def _no_connection(self, error: Exception) -> Unreachable:
        late = isinstance(error, Urllib3TimeoutError) and not isinstance(error, NewConnectionError)
        why = "it did not answer in time" if late else shown(_cause(error))
        return Unreachable(
            f"No connection to the API server {self.connection.server} of {self.connection.source}: {why}.",
            "Check that the cluster runs and that this machine reaches it, or choose another context.",
        )

    def _no_trust(self, call: Call, error: SSLError) -> Exception:
        """A certificate that does not verify will not do so at the next try; other TLS failures may be a lost line."""
        if not any(word in str(error).upper() for word in ("CERTIFICATE", "ALERT", "HOSTNAME", "IP ADDRESS")):
            return _lost(call, error)
        return Unreachable(
            f"No trusted connection to the API server {self.connection.server} of {self.connection.source}: "
            f"{shown(_cause(error))}.",
            "Check the certificate authority and client certificate of the kubeconfig and the clock of this machine.",
        )

    def _note_time(self, response: urllib3.BaseHTTPResponse) -> None:
        date = http_date(response.headers.get("Date", ""))
        with self._lock:
            self._clock = (date or datetime.now(timezone.utc), time.monotonic())


class _Writing:
    """The tries of one write; once an answer was lost, every next try begins by reading the object again."""

    def __init__(self, once: Callable[[Call], Answer], call: Call, settle: Settle) -> None:
        self._once = once
        self._call = self._next = call
        self._settle = settle
        self._doubtful = False

    def attempt(self) -> Answer:
        if self._doubtful:
            verdict = self._settled()
            if isinstance(verdict, Answer):
                return verdict
            self._next = verdict
        try:
            return self._once(self._next)
        except Again as again:
            self._doubtful = self._doubtful or again.doubt
            raise
        except Conflict as conflict:
            if not self._doubtful:
                raise
            # Our own earlier sending may have landed in between: read again and judge.
            raise Again(_unknown(self._call, conflict.message), doubt=True) from None

    def last_word(self, error: ClusterError) -> Answer:
        """Tries ran out: one more look tells whether the last sending happened."""
        if not self._doubtful:
            raise error
        try:
            verdict = self._settled()
        except Again as again:
            raise again.error from None
        if isinstance(verdict, Answer):
            return verdict
        raise error

    def _settled(self) -> Answer | Call:
        """Settle; where even reading fails, the write stays in doubt and the tries go on."""
        try:
            return self._settle(self._next)
        except Again as again:
            unknown = _unknown(self._call, again.error.message)
            raise Again(unknown, doubt=True, retry_after=again.retry_after) from None


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, separators=(",", ":")).encode()


def _bounded(response: urllib3.BaseHTTPResponse) -> bytes:
    pieces, size = [], 0
    for piece in response.stream(1 << 18, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            raise ValueError(f"an answer of more than {MAX_BODY // 1024 // 1024} MiB")
    return b"".join(pieces)


def _lost(call: Call, error: Exception) -> Again:
    why = shown(_cause(error))
    if call.repeatable:
        return Again(
            Unreachable(
                f"The API server gave no usable answer to the request to {call.what}: {why}.",
                "Check the connection to the cluster, then repeat the command.",
            )
        )
    return Again(_unknown(call, why), doubt=True)


def _unknown(call: Call, why: str) -> WriteUnknown:
    return WriteUnknown(
        f"Whether the API server did {call.what} is not known: {why}.",
        f"Look with: {call.look}" if call.look else "",
    )


def _cause(error: Exception) -> str:
    """The innermost reason in few words; urllib3 wraps it in pool and connection objects."""
    if isinstance(error, json.JSONDecodeError):
        return "the answer is not valid JSON"
    if isinstance(error, RecursionError):
        return "the answer is nested too deeply"
    inner: Any = error
    for _ in range(5):
        below = inner.__cause__ or next((arg for arg in inner.args if isinstance(arg, Exception)), None)
        if not isinstance(below, Exception):
            break
        inner = below
    text = getattr(inner, "strerror", None) or str(inner)
    return str(text).rpartition("object at 0x")[2].partition(">: ")[2] or str(text)


def _wait(state: tenacity.RetryCallState) -> float:
    after = _failure(state).retry_after
    return after if after is not None else float(_backoff(state))


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=10)


def _failure(state: tenacity.RetryCallState) -> Again:
    failure = state.outcome.exception() if state.outcome else None
    return failure if isinstance(failure, Again) else Again(ClusterError("unexpected"), tries=0)


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:6])
    date, here = http_date(text), http_date(response.headers.get("Date", ""))
    return max((date - here).total_seconds(), 0.0) if date and here else None
