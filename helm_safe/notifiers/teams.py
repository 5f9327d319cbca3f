"""Microsoft Teams by the webhook of a workflow: an adaptive card for every notice, as workflows know no threads."""

from __future__ import annotations

from typing import Any

from helm_safe.model.incident import Memory, Notice, Urgency, cut
from helm_safe.notifiers.http import Http
from helm_safe.notifiers.setup import Setup

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
        self._http.send("POST", "", _card(notice), repeatable=False)


def _card(notice: Notice) -> dict[str, Any]:
    """At most 28 KB: 20 lines of 300 characters and a dozen facts are below that, also in UTF-8."""
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
