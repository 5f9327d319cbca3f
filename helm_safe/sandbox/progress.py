"""How the sandbox tells what it is doing: one line of text at a time, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Say nothing."""


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
