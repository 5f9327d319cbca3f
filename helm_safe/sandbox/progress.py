"""How the sandbox tells what it is doing: one line of text at a time, to whoever listens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from helm_safe.core.printable import printable

Say = Callable[[str], None]
# Go: listen tcp 127.0.0.1:2379: bind: address already in use
# Python: error while attempting to bind on address ('10.0.0.1', 10250): address already in use
_TAKEN = re.compile(r"[:,] ?(\d{1,5})\)?: [^\n]{0,60}address already in use", re.IGNORECASE)


def quiet(_: str) -> None:
    """Say nothing."""


def last_words(log: Path, lines: int = 5) -> str:
    """The end of a program's log on one line, printable and bounded; a port that was taken comes first."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - 16_384))
            text = handle.read().decode(errors="replace")
    except OSError:
        return ""
    taken = [f"Port {port} is in use: free it, or bring the sandbox up again. " for port in _TAKEN.findall(text)]
    last = [printable(line.strip())[:300] for line in text.splitlines() if line.strip()][-lines:]
    return f"{''.join(taken[-1:])}Its last lines: {' / '.join(last)}" if last else "Its log is empty."


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
