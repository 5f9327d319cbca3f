"""Grafana: a run as an annotation over its time, on every dashboard that shows the tag helm-safe."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from helm_safe.model.incident import Memory, Notice, NotSent, cut
from helm_safe.notifiers.http import receiver
from helm_safe.notifiers.setup import Setup


class Grafana:
    """memory: the annotation's id."""

    def __init__(self, setup: Setup) -> None:
        self._tags = list(setup.options.get("tags") or ())
        self._http = receiver(setup, "", {"Authorization": f"Bearer {setup.key}"})

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        if memory.get("unsure") and (known := self._known(notice)):
            return {"id": known}
        body = {"time": _ms(notice.began), "tags": self._all_tags(notice), "text": cut(notice.text, 4000)}
        answer = self._http.send("POST", "/api/annotations", body, repeatable=False)
        if answer is None:
            return {}
        made = answer.json().get("id")
        if not isinstance(made, int):
            raise NotSent(f"{self._http.host} answers something else than its API documents")
        return {"id": str(made)}

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        return self._patched(notice, memory)

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        return self._patched(notice, memory)

    def _patched(self, notice: Notice, memory: Memory) -> Memory:
        if not memory.get("id"):
            return self.opened(notice, memory)
        body = {"timeEnd": _ms(notice.at), "tags": self._all_tags(notice), "text": cut(notice.text, 4000)}
        self._http.send("PATCH", f"/api/annotations/{memory['id']}", body)
        return memory

    def _known(self, notice: Notice) -> str:
        answer = self._http.send("GET", f"/api/annotations?{urlencode({'tags': notice.key, 'limit': 1})}", None)
        try:
            found = json.loads(answer.text)[0]["id"] if answer else 0
        except (ValueError, KeyError, IndexError, TypeError):
            return ""
        return str(found) if isinstance(found, int) and found else ""

    def _all_tags(self, notice: Notice) -> list[str]:
        return ["helm-safe", f"release:{notice.release}", f"namespace:{notice.namespace}", notice.key, *self._tags]


def _ms(moment: object) -> int:
    return int(moment.timestamp() * 1000)  # type: ignore[attr-defined]
