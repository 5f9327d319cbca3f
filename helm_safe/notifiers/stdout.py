"""Notices as lines of JSON among the events of the run itself: for logs, and to see what the others are told."""

from __future__ import annotations

import json

from helm_safe.model.incident import Memory, Notice
from helm_safe.notifiers.setup import Setup


class Stdout:
    def __init__(self, setup: Setup) -> None:
        self._show = setup.show

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        return self._told("opened", notice, memory)

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        return self._told("updated", notice, memory)

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        return self._told("closed", notice, memory)

    def _told(self, event: str, notice: Notice, memory: Memory) -> Memory:
        self._show(json.dumps(notice.to_json(event), ensure_ascii=False))
        return memory
