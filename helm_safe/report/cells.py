"""Lines made of cells: columns that fit into a width, bars, and times as people read them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from helm_safe.core.printable import printable
from helm_safe.report.charset import Glyphs

DIM, GOOD, BAD, NOW, WARN, HEAD = "dim", "green", "bold red", "bold cyan", "yellow", "bold"
GAP = 2
WIDE_GAP = 5


def text(value: object, style: str = "") -> Text:
    """What a cluster said cannot move the cursor or change the colours."""
    return Text(printable(value), style=style, no_wrap=True, end="")


def joined(*parts: Text) -> Text:
    line = text("")
    for part in parts:
        line.append_text(part)
    return line


def cut(line: Text, width: int) -> Text:
    """At most `width` cells; what is missing shows as an ellipsis."""
    short = line.copy()
    short.truncate(max(width, 0), overflow="ellipsis")
    return short


def name_of(words: str, width: int, style: str = "") -> Text:
    """A name in exactly `width` cells; what is missing is missing in the middle, since names differ at their ends."""
    line = text(words, style)
    if line.cell_len > width:
        tail = width // 2
        end = line.copy()
        while end.cell_len > tail:
            end = end[1:]
        line = joined(cut(line, width - end.cell_len), end)
    return padded(line, width)


def wrapped(words: str, width: int, most: int, style: str = "") -> list[Text]:
    """A sentence in at most `most` lines."""
    rows = textwrap.wrap(printable(words), max(width, 1)) or [""]
    rows = [*rows[: most - 1], " ".join(rows[most - 1 :])] if len(rows) > most else rows
    return [cut(text(row, style), width) for row in rows]


def padded(line: Text, width: int, *, right: bool = False) -> Text:
    """Exactly `width` cells."""
    line = cut(line, width)
    blank = text(" " * (width - line.cell_len))
    return joined(blank, line) if right else joined(line, blank)


def ends(left: Text, right: Text, width: int) -> Text:
    """One text at each end of the line; the left one gives way."""
    room = width - right.cell_len - (GAP if right.plain else 0)
    line = cut(left, room)
    if not right.plain:
        return line
    return joined(line, text(" " * (width - line.cell_len - right.cell_len)), right)


def columns(rows: Sequence[Sequence[Text]], width: int, aligns: str) -> list[Text]:
    """Rows as a table of `width` cells; the first column takes and gives. aligns: "l" or "r" for each column."""
    wide = [max(row[at].cell_len for row in rows) for at in range(len(aligns))]
    gaps = len(wide) - 1
    gap = max(GAP, min(WIDE_GAP, (width - sum(wide)) // gaps))
    wide[0] = max(width - sum(wide[1:]) - gap * gaps, min(8, wide[0]))
    return [cut(_row(row, wide, aligns, gap), width) for row in rows]


def _row(row: Sequence[Text], wide: Sequence[int], aligns: str, gap: int) -> Text:
    cells: list[Text] = []
    for cell, room, align in zip(row, wide, aligns, strict=True):
        cells += [padded(cell, room, right=align == "r"), text(" " * gap)]
    return joined(*cells[:-1])


def bar(glyphs: Glyphs, room: int, share: float, *, mark: float | None = None, style: str = NOW) -> Text:
    """`share` percent of `room` cells filled; `mark` percent is where it should end."""
    room = max(room, 1)
    filled = min(room, max(0, round(room * share / 100)))
    if share > 0:
        filled = max(filled, 1)  # a little is not nothing
    line = joined(text(glyphs.heavy * filled, style), text(glyphs.light * (room - filled), DIM))
    if mark is None:
        return line
    at = min(room - 1, max(0, round(room * mark / 100)))
    return joined(line[:at], text(glyphs.mark, HEAD), line[at + 1 :])


def rule(glyphs: Glyphs, width: int, share: float) -> Text:
    """A line across the screen that fills while the run goes on; share: 0..1."""
    filled = min(width, max(0, round(width * share)))
    return joined(text(glyphs.heavy * filled, NOW), text(glyphs.light * (width - filled), DIM))


def clock(seconds: float) -> str:
    """E.g. "0:07", "12:30", "1:02:03"."""
    whole = max(0, int(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def percent(value: float | None) -> str:
    """E.g. "10 %", "9.8 %"; "" where nobody counted."""
    return "" if value is None else f"{value:.1f} %".replace(".0 %", " %")


def width_of(words: str) -> int:
    return cell_len(printable(words))
