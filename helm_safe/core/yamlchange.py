"""Replacing and removing keys of a mapping in its text; see `yamledit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from helm_safe.core.yamlstyle import block, pairs
from helm_safe.core.yamltext import Entry, Map, leaf_of

_KEY = "key"
_LAST = (1, 0)  # behind what is added at the same place


class Splice(NamedTuple):
    """A text for a position.

    order: at one place what is nested deeper comes first, and items of a list before keys of its mapping.
    end: the end of what the text replaces, 0 where it replaces nothing.
    """

    position: int
    order: tuple[int, int]
    text: str
    end: int = 0


def changes(text: str, owner: Map, keys: Mapping[str, bool], found: list[Entry], newline: str) -> Iterator[Splice]:
    """The splices for the changed keys of a mapping. keys: key -> whether it stays, with a new value."""
    column = owner.start.column
    if not any(keys.get(entry.name, True) for entry in found):
        yield _anew(owner, found, newline)
        return
    for entry in found:
        if keys.get(entry.name):
            body = {_KEY: owner[entry.name]}
            new = pairs(body, bare=text[entry.start] != '"') if owner.flow else _block(body, column, newline)
            new = new.removeprefix(f'"{_KEY}"').removeprefix(_KEY)  # the key stays as it is written
            yield Splice(entry.key_end, _LAST, f"{new}{newline if entry.literal else ''}", entry.end)
    for start, end in _gaps(text, owner, keys, found):
        yield Splice(start, _LAST, "", end)


def _anew(owner: Map, found: list[Entry], newline: str) -> Splice:
    """All keys of the text go: the mapping is written anew, with what was added."""
    last = found[-1]
    start = owner.start.index
    if owner.flow:
        end = leaf_of(owner).end
        return Splice(start, _LAST, f"{{{pairs(dict(owner), bare=True)}}}", end)
    new = _block(dict(owner), owner.start.column, newline) if owner else "{}"
    return Splice(start, _LAST, f"{new}{newline if last.literal else ''}", last.end)


def _gaps(text: str, owner: Map, keys: Mapping[str, bool], found: list[Entry]) -> Iterator[tuple[int, int]]:
    """From where to where the removed keys stand, so that what is left is whole."""
    kept: Entry | None = None
    for index, entry in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else None
        if keys.get(entry.name, True):
            kept = entry
        elif owner.flow and following is None and kept is not None:
            yield kept.end, entry.end
        elif owner.flow or kept is None:
            yield entry.start, following.start if following else entry.end
        else:
            yield text.rfind("\n", 0, entry.start) + 1, _line_end(text, entry)


def _line_end(text: str, entry: Entry) -> int:
    found = -1 if entry.literal else text.find("\n", entry.end)
    return entry.end if entry.literal else len(text) if found < 0 else found + 1


def _block(body: dict[str, object], column: int, newline: str) -> str:
    first, *rest = block(body)
    return newline.join([first, *(" " * column + line if line else line for line in rest)])
