"""The story of a run while it goes on: a line per event for people, or a JSON object per line for machines."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from helm_safe.core.printable import printable
from helm_safe.model.events import Event, Level
from helm_safe.report.console import console, line

MARKS = {Level.DETAIL: " ", Level.INFO: "·", Level.GOOD: "✔", Level.WARNING: "!", Level.ERROR: "✖"}
STYLES = {Level.GOOD: "green", Level.WARNING: "yellow", Level.ERROR: "bold red", Level.DETAIL: "dim"}

TABLES = ("pods",)
"""`data.kind` of events for screens: a line cannot hold them."""


class TextReporter:
    """One stable, grep-able line per event: time, stage, mark, words. Goes to stderr unless text is the output."""

    def __init__(self, *, no_color: bool = False, stderr: bool = False) -> None:
        self._out = console(no_color=no_color, stderr=stderr)

    def event(self, event: Event) -> None:
        if event.data.get("kind") in TABLES:
            return
        clock = event.at.astimezone().strftime("%H:%M:%S")
        text = f"{clock}  {event.stage:<8} {MARKS[event.level]} {event.message}"
        line(self._out, text, STYLES.get(event.level, ""))


class JsonLinesReporter:
    """`-o jsonl`: the stream of events, schema `event`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def event(self, event: Event) -> None:
        body = event.to_json()
        body["message"] = printable(event.message)
        self._stream.write(json.dumps(body, ensure_ascii=False) + "\n")
        self._stream.flush()
