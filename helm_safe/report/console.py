"""Text for people: every string from a cluster passes `printable` here before it meets a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from helm_safe.core.printable import printable
from helm_safe.report.charset import legible


def console(*, no_color: bool = False, stderr: bool = False, stream: TextIO | None = None) -> Console:
    """A console that colours only a terminal, and obeys NO_COLOR and --no-color."""
    stream = stream or (sys.stderr if stderr else sys.stdout)
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    wide = None if stream.isatty() else 200
    return Console(file=stream, no_color=plain, highlight=False, markup=False, emoji=False, soft_wrap=True, width=wide)


def line(out: Console, text: str, style: str = "") -> None:
    """One line; what a cluster said cannot move the cursor or change the colours."""
    out.print(Text(legible(printable(text), out.encoding), style=style))


def table(out: Console, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without frames, in the manner of kubectl."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for header in headers:
        grid.add_column(header, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(legible(printable(str(cell)), out.encoding)) for cell in row))
    out.print(grid)
