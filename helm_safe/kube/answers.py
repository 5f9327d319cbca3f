"""What is asked of the API server and what can come back: answers, doubts, and refusals as errors for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.core.printable import printable
from helm_safe.core.redact import redact
from helm_safe.model.errors import ClusterError, Conflict, Forbidden, Invalid, Missing, OutcomeUnknown, Unreachable

_MANAGER = re.compile(r'conflict with "([^"]{0,200})')
MAX_MESSAGE = 2000


class WriteUnknown(ClusterError, OutcomeUnknown):
    """The answer to a write was lost and reading again did not settle whether it happened."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    path: escaped. template: the path with names left out, for counting. body: a JSON value, or bytes as they are sent.
    headers: more of them, for a request that is passed on. repeatable: sending it
    twice has no effect beyond sending it once. what: the call in words. look: a command that shows the result.
    read_timeout: seconds between two pieces of the answer. guard: asked before each sending; what it raises ends it.
    """

    verb: str
    path: str
    template: str
    what: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = field(default=None, repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeatable: bool = False
    look: str = ""
    read_timeout: float = 30.0
    guard: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: `value` is the decoded JSON, `raw` the body where no JSON was asked for."""

    status: int
    value: Any = field(default=None, repr=False)
    raw: bytes = field(default=b"", repr=False)


class Again(Exception):
    """An attempt that did not end the matter; never leaves this package.

    error: what to raise when tries run out. doubt: the server may have acted. tries: how often this kind of failure is
    borne. retry_after: seconds the server asked for, None where it did not.
    """

    def __init__(
        self, error: ClusterError, *, doubt: bool = False, tries: int = 10, retry_after: float | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.doubt = doubt
        self.tries = tries
        self.retry_after = retry_after


def refusal(status: int, body: bytes, call: Call) -> ClusterError:
    """The error for an answer of 300 and more; its text is redacted and safe to print."""
    said = _status_object(body)
    reason = printable(str(said.get("reason") or ""))[:100]
    message = shown(str(said.get("message") or "")) or shown(body[:MAX_MESSAGE].decode("utf-8", "replace"))
    text = f"The API server refused to {call.what} ({status}{' ' + reason if reason else ''})"
    text = f"{text}: {message}" if message else f"{text}."
    error = _class_for(status)(text, _next_step(status, reason), status=status, reason=reason)
    if isinstance(error, Conflict):
        error.causes = tuple(_conflicts(said))
    return error


def shown(text: str) -> str:
    """A text from outside, one line, without secrets, of bounded length."""
    return printable(redact(text.strip()))[:MAX_MESSAGE]


def _class_for(status: int) -> type[ClusterError]:
    classes: dict[int, type[ClusterError]] = {
        401: Unreachable,
        403: Forbidden,
        404: Missing,
        409: Conflict,
        410: Conflict,
        412: Conflict,
    }
    if status in classes:
        return classes[status]
    return Invalid if status < 500 and status not in (408, 429) else ClusterError


def _next_step(status: int, reason: str) -> str:
    steps = {
        403: "Ask for the missing permission; `helm safe-rollback rbac RELEASE` prints the least Role.",
        410: "Read the objects again and go on from there.",
        429: "The API server is overloaded or limits requests; try again later.",
        301: "Redirects are not followed; use the address of the API server itself.",
    }
    if status in (302, 303, 307, 308):
        status = 301
    if reason == "FieldManagerConflict":
        return "Another manager owns these fields; see who, and whether it may be overruled."
    return steps.get(status, "The API server is in trouble; see its health and logs." if status >= 500 else "")


def _status_object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}


def _conflicts(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for cause in sequence(mapping(said, "details"), "causes"):
        if dig(cause, "reason") == "FieldManagerConflict":
            found = _MANAGER.search(str(cause.get("message") or ""))
            pairs.append((shown(found.group(1) if found else ""), shown(str(cause.get("field") or ""))))
    return pairs
