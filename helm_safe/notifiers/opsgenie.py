"""Opsgenie, and Jira Service Management by its address: one alert per incident, by its alias."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from helm_safe.model.incident import Memory, Notice, Urgency, cut
from helm_safe.notifiers.http import receiver
from helm_safe.notifiers.setup import Setup

URL = "https://api.opsgenie.com"
PRIORITIES = {Urgency.CRITICAL: "P1", Urgency.ERROR: "P2", Urgency.WARNING: "P3", Urgency.INFO: "P5"}


class Opsgenie:
    """An alert with an alias that is open already is counted, not opened again."""

    def __init__(self, setup: Setup) -> None:
        self._team = setup.options.get("team", "")
        self._http = receiver(setup, URL, {"Authorization": f"GenieKey {setup.key}"})

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        if notice.joined:
            self._note(notice)
        else:
            self._http.send("POST", "/v2/alerts", self._alert(notice))
        if notice.joined or notice.attended:
            self._act(notice, "acknowledge", {})
        return {**memory, "priority": PRIORITIES[notice.state.urgency]}

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        self._note(notice)
        return self._prioritised(notice, memory)

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        if notice.resolves:
            self._act(notice, "close", {"note": cut(notice.text, 25000)})
            return memory
        self._note(notice)
        return self._prioritised(notice, memory)

    def _prioritised(self, notice: Notice, memory: Memory) -> Memory:
        """The alert's priority follows the urgency; of an incident of somebody else it is theirs."""
        priority = PRIORITIES[notice.state.urgency]
        if priority != memory.get("priority") and not notice.foreign:
            self._http.send("PUT", _path(notice, "priority"), {"priority": priority})
        return {**memory, "priority": priority}

    def _note(self, notice: Notice) -> None:
        self._act(notice, "notes", {"note": cut(notice.text, 25000)})

    def _act(self, notice: Notice, action: str, body: dict[str, Any]) -> None:
        self._http.send("POST", _path(notice, action), {"source": "helm-safe", "user": "helm-safe", **body})

    def _alert(self, notice: Notice) -> dict[str, Any]:
        body: dict[str, Any] = {
            "message": cut(notice.title, 130),
            "alias": cut(notice.key, 512),
            "description": cut(notice.text, 15000),
            "tags": ["helm-safe", "rollback"],
            "details": {name: cut(value, 1000) for name, value in notice.facts},
            "entity": f"{notice.namespace}/{notice.release}",
            "source": "helm-safe",
            "priority": PRIORITIES[notice.state.urgency],
        }
        return body | ({"responders": [{"type": "team", "name": self._team}]} if self._team else {})


def _path(notice: Notice, action: str) -> str:
    return f"/v2/alerts/{quote(cut(notice.key, 512), safe='')}/{action}?identifierType=alias"
