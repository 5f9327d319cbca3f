"""All receivers on one port of this machine, as their documentation tells: shapes, tokens, states, and bad days."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from helm_safe.notifiers.webhook import IDEMPOTENCY, SIGNATURE, signed
from tests.fakes.webserver import Handler, listening
from tests.notifiers import shapes

ROUTING_KEY = "R0ut1ngKeyThatNobodyMaySee012345"
BOT_TOKEN = "xoxb-plain-token-nobody-may-see"
GENIE_KEY = "genie-key-nobody-may-see"
GRAFANA_TOKEN = "glsa_nobody-may-see-this"
AM_TOKEN = "am-token-nobody-may-see"
HMAC_KEY = "hmac-key-nobody-may-see"
SLACK_PATH = "/services/T00/B00/pathNobodyMaySee"
TEAMS_PATH = "/workflows/abc/triggers/manual/paths/invoke?sig=sigNobodyMaySee"
SECRETS = (ROUTING_KEY, BOT_TOKEN, GENIE_KEY, GRAFANA_TOKEN, AM_TOKEN, HMAC_KEY, "pathNobodyMaySee", "sigNobodyMaySee")


class Bad(NamedTuple):
    """A bad day. status 0: the connection is cut, after the message was taken where `taken`."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    taken: bool = False
    pause: float = 0.0


class Receivers:
    """bad: played before anything else, in turn. wrong: what did not fit the documentation."""

    def __init__(self) -> None:
        self.url = ""
        self.bad: list[Bad] = []
        self.wrong: list[str] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.alerts: dict[str, str] = {}
        self.pages = 0
        self.changes: list[Any] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.genie: dict[str, dict[str, Any]] = {}
        self.am: dict[str, Any] = {}
        self.annotations: dict[int, dict[str, Any]] = {}
        self.hooks: list[Any] = []
        self.cards: list[Any] = []
        self.plain: list[Any] = []
        self.seen: set[str] = set()
        self.history_allowed = True
        self.lock = threading.Lock()

    def fits(self, shape: Any, body: Any, what: str) -> bool:
        problems = [error.message for error in jsonschema.Draft202012Validator(shape).iter_errors(body)]
        self.wrong += [f"{what}: {each[:300]}" for each in problems]
        return not problems

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        body = json.loads(raw) if raw else None
        self.asked.append((method, parts.path, body))
        if target in (SLACK_PATH, TEAMS_PATH):
            return self.chat(target, raw, body)
        doors = {
            "/v2/enqueue": lambda: self.pagerduty(body),
            "/v2/change/enqueue": lambda: self.change(body),
            "/slack/": lambda: self.slack(parts.path.removeprefix("/slack/"), headers, body),
            "/v2/alerts": lambda: self.opsgenie(method, parts.path, parse_qs(parts.query), headers, body),
            "/api/v2/alerts": lambda: self.alertmanager(headers, body),
            "/api/annotations": lambda: self.grafana(method, parts.path, parse_qs(parts.query), headers, body),
            "/hook": lambda: self.hook(headers, raw, body),
        }
        door = next((act for start, act in doors.items() if parts.path.startswith(start)), None)
        return door() if door else (404, {"message": "no such address"})

    def chat(self, target: str, raw: bytes, body: Any) -> tuple[int, Any]:
        if target == SLACK_PATH:
            self.plain.append(body)
            return (200, "ok") if self.fits(shapes.SLACK_WEBHOOK, body, "webhook") else (400, "invalid_payload")
        self.cards.append(body)
        small = len(raw) <= 28 * 1024
        return (202, "") if small and self.fits(shapes.TEAMS, body, "teams") else (400, {"error": "bad card"})

    def change(self, body: Any) -> tuple[int, Any]:
        ok = self.fits(shapes.PAGERDUTY_CHANGE, body, "change") and body["routing_key"] == ROUTING_KEY
        self.changes.append(body)
        return (202, {"status": "success"}) if ok else (400, {"status": "invalid event"})

    def pagerduty(self, body: Any) -> tuple[int, Any]:
        if not self.fits(shapes.PAGERDUTY, body, "pagerduty") or body["routing_key"] != ROUTING_KEY:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["routing_key"]}
        key, action = body["dedup_key"], body["event_action"]
        if action == "trigger":
            if self.alerts.get(key) not in ("triggered", "acknowledged"):
                self.pages += 1
                self.alerts[key] = "triggered"
        elif key in self.alerts:
            self.alerts[key] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def slack(self, method: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {BOT_TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        if method == "conversations.history":
            if not self.history_allowed:
                return 200, {"ok": False, "error": "missing_scope", "needed": "channels:history"}
            return 200, {"ok": True, "messages": [m for m in self.messages.values() if "thread_ts" not in m]}
        if not self.fits(shapes.SLACK_UPDATE if method == "chat.update" else shapes.SLACK_POST, body, method):
            return 200, {"ok": False, "error": "invalid_blocks"}
        if body["channel"] == "C404":
            return 200, {"ok": False, "error": "channel_not_found"}
        if method == "chat.update":
            if body["ts"] not in self.messages:
                return 200, {"ok": False, "error": "message_not_found"}
            self.messages[body["ts"]].update(body)
            return 200, {"ok": True, "channel": body["channel"], "ts": body["ts"]}
        ts = f"17000000{len(self.messages)}.000100"
        self.messages[ts] = {**body, "ts": ts}
        return 200, {"ok": True, "channel": "C0123456789", "ts": ts}

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [each for each in self.messages.values() if "thread_ts" not in each]

    def opsgenie(self, method: str, path: str, query: Any, headers: Any, body: Any) -> tuple[int, Any]:
        if headers.get("authorization") != f"GenieKey {GENIE_KEY}":
            return 401, {"message": "Key format is not valid!"}
        if path == "/v2/alerts":
            if not self.fits(shapes.OPSGENIE, body, "opsgenie"):
                return 422, {"message": "Request body is not processable."}
            if self.genie.get(body["alias"], {}).get("status") != "open":
                self.genie[body["alias"]] = {**body, "status": "open", "acknowledged": False, "notes": []}
            return 202, {"result": "Request will be processed", "requestId": "1"}
        alias, _, action = path.removeprefix("/v2/alerts/").rpartition("/")
        found = self.genie.get(unquote(alias))
        if query.get("identifierType") != ["alias"] or "/" in alias:
            self.wrong.append(f"opsgenie: {path}")
        if found is None:
            return 202, {"result": "Request will be processed"}
        if action == "priority" and method == "PUT" and self.fits(shapes.OPSGENIE_PRIORITY, body, "priority"):
            found["priority"] = body["priority"]
        elif self.fits(shapes.OPSGENIE_ACT, body, f"opsgenie {action}"):
            found["notes"].append(body.get("note"))
            found["status"] = "closed" if action == "close" else found["status"]
            found["acknowledged"] |= action == "acknowledge"
        return 202, {"result": "Request will be processed"}

    def alertmanager(self, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {AM_TOKEN}":
            return 401, "Unauthorized"
        if not self.fits(shapes.ALERTS, body, "alertmanager"):
            return 400, "bad"
        for alert in body:
            self.am[json.dumps(alert["labels"], sort_keys=True)] = alert
        return 200, ""

    def grafana(self, method: str, path: str, query: Any, headers: Any, body: Any) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {GRAFANA_TOKEN}":
            return 401, {"message": "Invalid API key"}
        if method == "GET":
            tags = set(query.get("tags", ()))
            found = [{"id": key, **each} for key, each in self.annotations.items() if tags <= set(each["tags"])]
            return 200, found[:1]
        if not self.fits(shapes.ANNOTATION, body, "grafana"):
            return 400, {"message": "bad request data"}
        if method == "POST":
            number = len(self.annotations) + 1
            self.annotations[number] = body
            return 200, {"message": "Annotation added", "id": number}
        self.annotations[int(path.rpartition("/")[2])].update(body)
        return 200, {"message": "Annotation patched"}

    def hook(self, headers: Mapping[str, str], raw: bytes, body: Any) -> tuple[int, Any]:
        if not signed(HMAC_KEY, raw, headers.get(SIGNATURE.lower(), "")):
            return 401, {"error": "bad signature"}
        once = headers.get(IDEMPOTENCY.lower(), "")
        self.fits(shapes.NOTICE, body, "hook")
        if once not in self.seen:
            self.seen.add(once)
            self.hooks.append(body)
        return 204, ""


@contextmanager
def receiving() -> Iterator[Receivers]:
    """On a port of their own; nothing that does not fit the documentation passes."""

    class Requested(Handler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = self.rfile.read(int(headers.get("content-length", "0")))
            with state.lock:
                bad = state.bad.pop(0) if state.bad else None
                taken = None if bad and not bad.taken else state.answer(self.command, self.path, headers, raw)
            if bad:
                time.sleep(bad.pause)
            if bad and not bad.status:
                self.close_connection = True
                self.connection.close()
                return
            status, said = (bad.status, bad.body) if bad else taken or (500, "")
            body = (
                said
                if isinstance(said, bytes)
                else said.encode()
                if isinstance(said, str)
                else json.dumps(said).encode()
            )
            self.answer(status, bad.headers if bad else {}, b"" if status == 204 else body)

        do_PUT = do_PATCH = do_GET = do_POST  # noqa: N815 - names that http.server calls

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever asked went away, or was cut off: that is what some tests are about."""

    state = Receivers()
    with listening(Requested, None, Server) as port:
        state.url = f"http://127.0.0.1:{port}"
        yield state
    assert state.wrong == []
