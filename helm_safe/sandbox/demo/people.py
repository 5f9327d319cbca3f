"""Those who are told of the demo's incident: one local server that answers as PagerDuty, Slack and a webhook do."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHANNEL = "C0DEMO00001"
SECRETS = {"DEMO_PAGER": "demo-routing-key-32-characters-0", "DEMO_BOT": "xoxb-demo", "DEMO_HOOK": "demo-hook-key"}
"""Variables of the environment -> secrets of no value, as the policy names them."""


class People:
    """What arrived. pages: alerts that were opened, each of which wakes somebody."""

    def __init__(self) -> None:
        self.url = ""
        self.alerts: dict[str, list[str]] = {}
        self.pages = 0
        self.changes = 0
        self.messages: dict[str, dict[str, Any]] = {}
        self.rewritten = 0
        self.notices: list[dict[str, Any]] = []
        self.waiting = threading.Event()
        self._open: set[str] = set()
        self._lock = threading.Lock()

    @property
    def notifiers(self) -> list[dict[str, Any]]:
        """The policy's list."""
        slack = {"type": "slack", "url": f"{self.url}/slack", "channel": CHANNEL}
        return [
            {"name": "pager", "type": "pagerduty", "url": self.url, "secret": {"env": "DEMO_PAGER"}},
            {"name": "chat", **slack, "secret": {"env": "DEMO_BOT"}},
            {"name": "hook", "type": "webhook", "url": f"{self.url}/hook", "secret": {"env": "DEMO_HOOK"}},
        ]

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a message as the service at that path would."""
        with self._lock:
            if path == "/v2/enqueue":
                return self._pagerduty(str(body.get("dedup_key")), str(body.get("event_action")))
            if path == "/v2/change/enqueue":
                self.changes += 1
                return 202, {"status": "success"}
            if path.startswith("/slack/"):
                return 200, self._slack(path.removeprefix("/slack/"), body)
            if path == "/hook":
                self.notices.append(body)
                if body.get("state") == "WAITING":
                    self.waiting.set()
                return 200, {}
            return 404, {}

    def _pagerduty(self, key: str, action: str) -> tuple[int, dict[str, Any]]:
        """A trigger opens an alert, or is added to the one of its key that is open."""
        opens = action == "trigger" and key not in self._open
        self.pages += opens
        self.alerts.setdefault(key, []).append(
            "opened" if opens else "updated" if action == "trigger" else f"{action}d"
        )
        self._open = self._open - {key} if action == "resolve" else self._open | {key}
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def _slack(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        if method == "conversations.history":
            return {"ok": True, "messages": [each for each in self.messages.values() if "thread_ts" not in each]}
        if method == "chat.update":
            if body.get("ts") not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.rewritten += 1
            self.messages[body["ts"]] |= body
            return {"ok": True, "channel": CHANNEL, "ts": body["ts"]}
        ts = f"1700000000.{len(self.messages):06d}"
        self.messages[ts] = {**body, "ts": ts}
        return {"ok": True, "channel": CHANNEL, "ts": ts}

    @property
    def threads(self) -> list[str]:
        return [ts for ts, each in self.messages.items() if "thread_ts" not in each]

    @property
    def replies(self) -> int:
        """Messages in the only thread."""
        return sum(each.get("thread_ts") in self.threads for each in self.messages.values())

    def broken_promises(self) -> list[str]:
        """What one incident means, and was not so; a sentence each."""
        (said,) = self.alerts.values() if len(self.alerts) == 1 else ([],)
        events = Counter(each.get("event") for each in self.notices)
        promises = {
            f"{self.pages} pages for one incident": self.pages == 1,
            f"PagerDuty heard {', '.join(said) or 'nothing'}": said[:1] == ["opened"] and "updated" in said,
            "PagerDuty's incident was not resolved once, in the end": said.count("resolved") == 1
            and said[-1:] == ["resolved"],
            f"{len(self.threads)} Slack threads": len(self.threads) == 1,
            "Slack's thread has no story": self.replies == len(self.messages) - 1 > 0,
            f"the webhook heard {events['opened']} openings and {events['closed']} ends": events["opened"] == 1
            and events["closed"] == 1,
        }
        return [words for words, kept in promises.items() if not kept]

    def rows(self) -> list[list[str]]:
        """What each heard, for people."""
        return [
            *(["PagerDuty", f"{self.pages} page, {key}", ", ".join(said)] for key, said in self.alerts.items()),
            ["Slack", f"{len(self.threads)} thread", f"rewritten {self.rewritten} times, {self.replies} replies"],
            ["webhook", f"{len(self.notices)} notices", ", ".join(str(each.get("state")) for each in self.notices)],
        ]


@contextmanager
def people() -> Iterator[People]:
    """On a port of this machine, until the block is left."""
    state = People()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, said = state.answer(self.path, json.loads(raw or b"{}"))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The demo tells what arrived at its end."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
