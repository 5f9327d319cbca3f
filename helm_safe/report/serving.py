"""A page on the loopback, for whoever has its address: read-only, made anew for each request.

The address holds a random token; another name for this machine (DNS rebinding), another path and another method are
refused. Nothing is loaded from anywhere else.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Render = Callable[[str], str]
"""The page for a script's nonce."""


class PageServer:
    """Serves until `close`. url: with the token."""

    def __init__(self, render: Render) -> None:
        self._token = secrets.token_urlsafe(24)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(render, self._token))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.2,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/{self._token}/"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(render: Render, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "helm-safe", ""

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            nonce = secrets.token_urlsafe(12)
            status, text = (200, render(nonce)) if self._known() else (404, "Nothing is here.\n")
            raw = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"text/{'html' if status == 200 else 'plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in _headers(nonce).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(raw)

        def _known(self) -> bool:
            host = self.headers.get("Host", "").rpartition(":")[0]
            right = hmac.compare_digest(self.path.encode("utf-8", "replace"), f"/{token}/".encode())
            return right and host in ("127.0.0.1", "localhost")

        def log_message(self, *_: object) -> None:
            """Requests are nobody's business."""

    return Handler


def _headers(nonce: str) -> dict[str, str]:
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
