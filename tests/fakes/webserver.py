"""An HTTP server of a test's own on 127.0.0.1."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Says nothing on stderr."""

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer; `headers` overrule the length."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(
    handler: type[Handler],
    context: ssl.SSLContext | None = None,
    server: type[ThreadingHTTPServer] = ThreadingHTTPServer,
) -> Iterator[int]:
    """The port. context: for TLS."""
    with server(("127.0.0.1", 0), handler) as http:
        if context:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield http.server_port
        http.shutdown()
