"""The story of a run while it goes on: a line per event for people, or a JSON object per line for machines."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from rich.text import Text

from helm_safe.core.printable import printable
from helm_safe.model.events import Event, Level
from helm_safe.report.charset import is_unicode, legible
from helm_safe.report.console import console

MARKS = {Level.DETAIL: " ", Level.INFO: "·", Level.GOOD: "✔", Level.WARNING: "!", Level.ERROR: "✖"}
SILENT = ("pods",)  # they change with every look; what matters of them is told in words besides
STYLES = {Level.GOOD: "green", Level.WARNING: "yellow", Level.ERROR: "bold red", Level.DETAIL: "dim"}


def styled(event: Event) -> Text:
    """The line of an event: time, stage, mark, words."""
    clock = event.at.astimezone().strftime("%H:%M:%S")
    words = f"{clock}  {event.stage:<8} {MARKS[event.level]} {event.message}"
    return Text(printable(words), style=STYLES.get(event.level, ""))


class TextReporter:
    """One stable, grep-able line per event that has words; those without are for machines and for the screen."""

    def __init__(self, *, no_color: bool = False, stderr: bool = False, stream: TextIO | None = None) -> None:
        self._out = console(no_color=no_color, stderr=stderr, stream=stream)

    def event(self, event: Event) -> None:
        if event.message and event.data.get("kind") not in SILENT:
            line = styled(event)
            self._out.print(Text(legible(line.plain, self._out.encoding), style=line.style))


class JsonLinesReporter:
    """`-o jsonl`: the stream of events, schema `event`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def event(self, event: Event) -> None:
        body = event.to_json()
        body["message"] = printable(event.message)
        text = json.dumps(body, ensure_ascii=not is_unicode(self._stream.encoding or "ascii"))
        self._stream.write(text + "\n")
        self._stream.flush()
