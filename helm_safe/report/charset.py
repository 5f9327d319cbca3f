"""Characters that a terminal has: those of ours have a twin in ASCII, everything else is spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from helm_safe.model.events import Event

TWINS = str.maketrans(
    {
        "✔": "+", "✖": "x", "►": ">", "○": ".", "·": "-", "…": "~", "→": "->", "≥": ">=", "≤": "<=", "–": "-", "—": "-",
        "━": "=", "─": "-", "│": "|", "├": "|", "└": "`", "┃": "|", "×": "x", "µ": "u", "’": "'",
        "Σ": "sum", "±": "+-", "≈": "~",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of the screen, each one cell wide; what they say stands beside them in words or numbers."""

    done: str = "✔"
    failed: str = "✖"
    active: str = "►"
    waiting: str = "○"
    warning: str = "!"
    fork: str = "├─"
    corner: str = "└─"
    heavy: str = "━"
    light: str = "─"
    mark: str = "┃"


def is_unicode(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "").startswith(("utf", "cp65001"))


def legible(text: str, encoding: str) -> str:
    """The text in characters that the encoding has."""
    if is_unicode(encoding):
        return text
    return text.translate(TWINS).encode(encoding, "backslashreplace").decode(encoding)


def one_cell(text: str, encoding: str) -> str:
    """The same for a line whose columns stand already: every character keeps its width."""
    if is_unicode(encoding):
        return text
    return (
        "".join(each if each.isascii() else each.translate(TWINS)[-1:] for each in text)
        .encode(encoding, "replace")
        .decode(encoding)
    )


def told_in(event: Event, encoding: str) -> Event:
    """The event with all its words in characters that the encoding has."""
    if is_unicode(encoding):
        return event
    return replace(event, message=legible(event.message, encoding), data=_legible(event.data, encoding))


def _legible(value: Any, encoding: str) -> Any:
    if isinstance(value, str):
        return legible(value, encoding)
    if isinstance(value, Mapping):
        return {key: _legible(each, encoding) for key, each in value.items()}
    return [_legible(each, encoding) for each in value] if isinstance(value, (list, tuple)) else value


def glyphs_of(encoding: str) -> Glyphs:
    """The characters of ours that a terminal of this encoding shows."""
    if is_unicode(encoding):
        return Glyphs()
    names: Mapping[str, str] = {name: getattr(Glyphs(), name) for name in Glyphs.__dataclass_fields__}
    return Glyphs(**{name: each.translate(TWINS) for name, each in names.items()})
