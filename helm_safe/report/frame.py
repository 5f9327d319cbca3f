"""One picture of a Board, as lines that fit into a width and a height; the less room, the less is told twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from helm_safe.model.board import DONE, FAILED, Board, Wait
from helm_safe.report import sections
from helm_safe.report.cells import BAD, DIM, GAP, GOOD, HEAD, WARN, clock, cut, ends, joined, rule, text, wrapped
from helm_safe.report.charset import Glyphs
from helm_safe.report.sections import View

TWO_COLUMNS = 140  # from this width on, traffic, gate and pods stand beside the stages
LABEL = 7  # cells of NEXT, KEYS and the like
ENDS = {"SUCCEEDED": GOOD, "ABORTED": WARN}


@dataclass(frozen=True)
class Frame:
    """What a picture is made of.

    keys: what a person can do here, e.g. (("p", "pause"), …). command: how it is done elsewhere. asking: the question
    that is open. closed: it is the last picture, and nobody goes on.
    """

    board: Board
    now: datetime
    glyphs: Glyphs = field(default_factory=Glyphs)
    keys: Sequence[tuple[str, str]] = ()
    command: str = ""
    asking: str = ""
    closed: bool = False

    def lines(self, width: int, height: int) -> list[Text]:
        """At most `height` lines of at most `width` cells."""
        for level in range(sections.LEVELS):
            blank = [text("")] if level < sections.TIGHT else []
            head = [*blank, self._title(width), rule(self.glyphs, width, self._share())]
            foot = [*blank, *self._foot(level, width)]
            room = height - len(head) - len(foot)
            middle = self._middle(width, level, room)
            if len(middle) <= room:
                break
        return [cut(line, width) for line in (*head, *middle[: max(room, 0)], *foot)][:height]

    def _middle(self, width: int, level: int, room: int) -> list[Text]:
        """The parts one below the other, or beside each other where the width allows; pods take what room is left."""
        wide = width >= TWO_COLUMNS
        left = width * 9 // 20 if wide else width
        view = View(self.board, self.now, self.glyphs, left, level)
        beside = View(self.board, self.now, self.glyphs, width - left - 2 * GAP, level) if wide else view
        tree, facts = list(sections.stages(view)), [list(sections.traffic(beside)), list(sections.gate(beside))]
        above = sections.stacked(facts if wide else [tree, *facts], level)
        rest = max(room - len(above) - (level < sections.TIGHT), sections.LEAST[level])
        stack = sections.stacked([above, sections.workloads(beside, rest)], level)
        return sections.abreast(tree, stack, left + 2 * GAP) if wide else stack

    def _title(self, width: int) -> Text:
        board = self.board
        words = f"  {board.namespace}  revision {board.current} → {board.target}  {board.strategy}"
        return ends(joined(text(board.release, HEAD), text(words)), text(self._time()), width)

    def _time(self) -> str:
        elapsed = clock(self.board.elapsed(self.now))
        if self.board.end or not self.board.steps:
            return elapsed
        whole = self.board.elapsed(self.now) + self.board.remaining(self.now)
        return f"{elapsed} of about {clock(whole)}"

    def _share(self) -> float:
        if self.board.end == "SUCCEEDED":
            return 1.0
        steps = self.board.steps
        whole = sum(step.expected for step in steps) or 1.0
        done = sum(step.expected for step in steps if step.state in (DONE, FAILED))
        active = self.board.active
        return (done + (max(0.0, active.expected - self.board.left(self.now)) if active else 0.0)) / whole

    def _foot(self, level: int, width: int) -> list[Text]:
        board = self.board
        if board.end:
            words = f"{board.end}" + (f": {board.reason}" if board.reason else "")
            return _rows("ENDED", wrapped(words, width - LABEL, 3, ENDS.get(board.end, BAD)))
        if self.closed:
            return []
        return [*self._now(width), *self._hints(level)]

    def _now(self, width: int) -> list[Text]:
        """What the run waits for, or what comes next."""
        if self.board.paused:
            words = "users stay where they are, until somebody lets the run go on"
            return _rows("PAUSED", wrapped(words, width - LABEL, 2, WARN))
        return self._wait(self.board.waiting, width) if self.board.waiting else _rows("NEXT", [self._next()])

    def _wait(self, wait: Wait, width: int) -> list[Text]:
        whom = f" by {wait.who}" if wait.who else ""
        until = _until(wait.until, self.now)
        when = ", then ".join(filter(None, (until, wait.then)))
        lines = wrapped(f"for approval{whom} before {wait.what}", width - LABEL, 2, WARN)
        return _rows("WAITS", [*lines, *wrapped(when, width - LABEL, 2)] if when else lines)

    def _hints(self, level: int) -> Iterator[Text]:
        if self.asking:
            yield from _rows("SURE?", [text(self.asking, WARN)])
        elif self.keys:
            yield from _rows("KEYS", [_keys(self.keys)])
        if self.command and (level < sections.PASSED or not self.keys):
            yield from _rows("ALSO", [text(self.command, DIM)])

    def _next(self) -> Text:
        board = self.board
        upcoming = board.upcoming
        words = f"{upcoming.stage}: {upcoming.title}" if upcoming else "the run is over"
        left = board.left(self.now)
        when = f" in about {clock(left)}" if left >= 1 else " any moment"
        return joined(text(when.strip(), HEAD), text(f"  {words}"))


def _rows(name: str, lines: Sequence[Text]) -> list[Text]:
    """Lines with their name in front of the first."""
    names = [name, *[""] * (len(lines) - 1)]
    return [joined(text(f"{each:<{LABEL}}", DIM), line) for each, line in zip(names, lines, strict=True)]


def _keys(keys: Sequence[tuple[str, str]]) -> Text:
    line = text("")
    for number, (key, meaning) in enumerate(keys):
        line.append_text(joined(text("   " if number else ""), text(key, HEAD), text(f" {meaning}")))
    return line


def _until(words: str, now: datetime) -> str:
    """A moment as the time of day and what is left; other words as they are."""
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        return f"until {words}" if words else ""
    if moment.tzinfo is None:
        return f"until {words}"
    return f"until {moment.astimezone():%H:%M:%S} (in {clock((moment - now).total_seconds())})"
