"""Slack by an incoming webhook: it tells no ts, so that every notice is a message of its own."""

from __future__ import annotations

from helm_safe.model.incident import Memory, Notice, NotSent
from helm_safe.notifiers.http import Http
from helm_safe.notifiers.setup import Setup
from helm_safe.notifiers.slack_text import blocks, headline, story


class SlackWebhook:
    """A bot (type `slack`) keeps one thread; this needs less setting up."""

    def __init__(self, setup: Setup) -> None:
        self._http = Http(setup, setup.key, hidden=True)

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        """Not again where it may have been posted: no second message looks like a second incident."""
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
        told = blocks(notice)
        told.insert(2, {"type": "section", "text": {"type": "mrkdwn", "text": story(notice)[:2900]}})
        answer = self._http.send("POST", "", {"text": headline(notice), "blocks": told}, repeatable=False)
        if answer and answer.text.strip() != "ok":
            raise NotSent(f"{self._http.host} answers something else than ok: {self._http.words(answer.text)}")
