"""Microsoft Teams by the webhook of a workflow: an adaptive card for every notice, as workflows know no threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.model.incident import Memory, Notice, Urgency, cut
from helm_safe.notifiers.http import Http, encoded
from helm_safe.notifiers.setup import Setup

MOST = 28 * 1024
"""Bytes of a message."""
COLOURS = {
    Urgency.INFO: "good",
    Urgency.WARNING: "warning",
    Urgency.ERROR: "attention",
    Urgency.CRITICAL: "attention",
}


class Teams:
    def __init__(self, setup: Setup) -> None:
        self._http = Http(setup, setup.key, hidden=True)

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        """Not again where it may have been posted."""
        if not memory.get("unsure"):
            self._post(notice)
        return {}

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        self._post(notice)
        return memory

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        self._post(notice)
        return memory

    def _post(self, notice: Notice) -> None:
        self._http.send("POST", "", _fitting(notice), repeatable=False)


def _fitting(notice: Notice) -> bytes:
    """The card without as many of the oldest lines as it takes to be taken."""
    while len(card := encoded(_card(notice))) > MOST and notice.lines:
        notice = replace(notice, lines=notice.lines[1:])
    return card


def _card(notice: Notice) -> dict[str, Any]:
    heading = {"weight": "Bolder", "size": "Medium", "style": "heading", "color": COLOURS[notice.state.urgency]}
    facts = [{"title": name, "value": cut(_plain(value), 300)} for name, value in notice.facts]
    body = [
        {"type": "TextBlock", "text": cut(_plain(notice.title), 300), "wrap": True, **heading},
        *({"type": "TextBlock", "text": cut(_plain(line), 300), "wrap": True} for line in notice.lines),
        {"type": "FactSet", "facts": facts},
        {"type": "TextBlock", "text": _plain(notice.key), "wrap": True, "isSubtle": True, "size": "Small"},
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": {"width": "full"},
        "body": body,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def _plain(text: str) -> str:
    """Without what its Markdown would make a link or an image of."""
    return text.replace("[", "\\[").replace("](", "\\](")
