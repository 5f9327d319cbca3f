"""A monitoring system on this machine: plays answers, refusals and bad lines, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.fakes.runs import START
from tests.fakes.webserver import Handler, listening

END = START
BEGIN = END - timedelta(seconds=60)


def ago(seconds: float) -> float:
    """Seconds since 1970, so long before the end of the time that is asked for."""
    return END.timestamp() - seconds


class Answer(NamedTuple):
    """promised: bytes of the body by its header, None for its true length. pause: seconds before each byte of it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    promised: int | None = None
    pause: float = 0.0


def said(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(value).encode(), status, {name.replace("_", "-"): text for name, text in headers.items()})


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


class Vendor:
    """Plays `answers` in turn, the last one for ever; `clock` is the time that its Date headers tell."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[Answer] = [Answer(b"{}")]
        self.asked: list[Asked] = []
        self.clock: Callable[[], datetime] = lambda: START

    def plays(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Vendor]:
    """A Vendor that answers on a port of its own."""

    class Requested(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            state.asked.append(Asked(self.command, parts.path, query, headers, body))
            self.give(state.next())

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def give(self, answer: Answer) -> None:
            self.send_response(answer.status)
            length = len(answer.body) if answer.promised is None else answer.promised
            for name, value in {"Content-Length": str(length), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if not answer.pause:
                self.wfile.write(answer.body)
                return
            for byte in answer.body:
                time.sleep(answer.pause)
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

        def date_time_string(self, timestamp: object = None) -> str:
            return format_datetime(state.clock(), usegmt=True)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever asked went away: that is what some tests are about."""

    state = Vendor()
    with listening(Requested, context, Server) as port:
        state.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield state
