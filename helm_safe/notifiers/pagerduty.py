"""PagerDuty, Events API v2: one alert per incident, by its dedup key, and a change event for each run that ends."""

from __future__ import annotations

from typing import Any

from helm_safe.model.incident import Memory, Notice, Urgency, cut
from helm_safe.notifiers.http import receiver
from helm_safe.notifiers.setup import Setup

URL = "https://events.pagerduty.com"
_ORDER = list(Urgency)


class PagerDuty:
    """Who is on call is paged once; later words of the same urgency page nobody."""

    def __init__(self, setup: Setup) -> None:
        self._key = setup.key
        self._http = receiver(setup, URL)

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        """A new alert; an incident that is open already is acknowledged, because somebody works on it."""
        if not notice.joined:
            self._send("trigger", notice)
        if notice.joined or notice.attended:
            self._send("acknowledge", notice)
        return {**memory, "urgency": notice.state.urgency.value}

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        urgency = notice.state.urgency
        if _ORDER.index(urgency) > _ORDER.index(Urgency(memory.get("urgency", "info"))):
            self._send("trigger", notice)
        return {**memory, "urgency": urgency.value}

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        self._http.send("POST", "/v2/change/enqueue", self._change(notice))
        if notice.resolves:
            self._send("resolve", notice)
        elif notice.open:
            self._send("trigger", notice)
        return {**memory, "urgency": notice.state.urgency.value}

    def _send(self, action: str, notice: Notice) -> None:
        body: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": action,
            "dedup_key": cut(notice.key, 255),
        }
        if action == "trigger":
            body |= {"client": "helm-safe", "payload": self._payload(notice)}
        self._http.send("POST", "/v2/enqueue", body)

    def _payload(self, notice: Notice) -> dict[str, Any]:
        return {
            "summary": cut(notice.title, 1024),
            "source": cut(f"{notice.cluster}/{notice.namespace}/{notice.release}", 255),
            "severity": notice.state.urgency.value,
            "timestamp": notice.at.isoformat(),
            "component": notice.release,
            "group": notice.namespace,
            "class": "rollback",
            "custom_details": {**dict(notice.facts), "Story": "\n".join(notice.lines)},
        }

    def _change(self, notice: Notice) -> dict[str, Any]:
        payload = {
            "summary": cut(notice.title, 1024),
            "source": cut(f"{notice.namespace}/{notice.release}", 255),
            "timestamp": notice.at.isoformat(),
            "custom_details": dict(notice.facts),
        }
        return {"routing_key": self._key, "payload": payload}
