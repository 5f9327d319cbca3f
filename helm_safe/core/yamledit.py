"""Additions to a YAML text, gathered and then spliced in at once; see `yamltext`."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from helm_safe.core.yamlio import YamlError, dump
from helm_safe.core.yamltext import Map, Seq

_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_BREAKS = ("\n", "\r", "\x85", "\u2028", "\u2029")


class NoPlace(ValueError):
    """A value that cannot be edited where it stands: it is repeated by an alias, or carries an anchor or a tag."""


class _Splice(NamedTuple):
    """order: at one place what is nested deeper comes first, and items of a list before keys of its mapping."""

    position: int
    order: tuple[int, int]
    text: str


class Edits:
    """Additions to one text. Values in memory change at once, the text when it is asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._added: dict[int, tuple[Map, dict[str, Any]]] = {}
        self._appended: dict[int, tuple[Seq, list[Any]]] = {}
        self._blocks: dict[str, str] = {}
        self._newline = "\r\n" if "\r\n" in text[:4096] else "\n"

    def __bool__(self) -> bool:
        return bool(self._added or self._appended)

    def add(self, owner: dict[str, Any], key: str, value: Any) -> None:
        """Give a mapping a key that it lacks; the value knows no places. Raises NoPlace, KeyError for a key it has."""
        if key in owner:
            raise KeyError(key)
        if isinstance(owner, Map):
            if owner.start is None or not self._in_place(owner):
                raise NoPlace(key)
            self._added.setdefault(id(owner), (owner, {}))[1][key] = value
        owner[key] = value

    def append(self, owner: Seq, value: Any) -> None:
        """Add a last item to a list of the text. Raises NoPlace."""
        if owner.start is None:
            raise NoPlace("list")
        self._appended.setdefault(id(owner), (owner, []))[1].append(value)
        owner.append(value)

    def apply(self) -> str:
        """The text with everything that was added; the same text when nothing was."""
        splices = [self._mapping(owner, added) for owner, added in self._added.values()]
        splices += [self._list(owner, added) for owner, added in self._appended.values()]
        parts, at = [], 0
        for position, _, text in sorted(splices):
            parts += [self.text[at:position], text]
            at = position
        return "".join([*parts, self.text[at:]])

    def _in_place(self, owner: Map) -> bool:
        """An implicit mapping (`[a: b]`) has no braces to add to."""
        return not owner.flow or self.text[owner.start.index] == "{"

    def _mapping(self, owner: Map, added: dict[str, Any]) -> _Splice:
        if owner.flow:
            return self._flow(owner, ", ".join(f"{_json(key)}: {_json(value)}" for key, value in added.items()), added)
        return self._block(owner, added, (-owner.start.column, 1))

    def _list(self, owner: Seq, added: list[Any]) -> _Splice:
        if owner.flow:
            return self._flow(owner, ", ".join(_json(value) for value in added), added)
        return self._block(owner, added, (-owner.start.column, 0))

    def _flow(self, owner: Map | Seq, text: str, added: dict[str, Any] | list[Any]) -> _Splice:
        """Right behind the opening bracket, where nothing can be in the way."""
        position = owner.start.index + 1
        more = len(owner) > len(added)
        blank = " " if more and not self.text[position].isspace() else ""
        return _Splice(position, (0, 0), f"{text}{',' if more else ''}{blank}")

    def _block(self, owner: Map | Seq, added: Any, order: tuple[int, int]) -> _Splice:
        column = owner.start.column
        body = self._rendered(added, column)
        position = self._end(owner.last)
        if position is None:  # before the first key or item, whose indentation moves behind what is added
            start: int = owner.start.index
            return _Splice(start, order, body[column:] + self._newline + " " * column)
        if position and self.text[position - 1] in _BREAKS:
            return _Splice(position, order, body + self._newline)
        return _Splice(position, order, self._newline + body)

    def _rendered(self, added: Any, column: int) -> str:
        """The block, indented, without a last line break. The same defaults go into many objects: kept."""
        key = f"{column}{added!r}"
        if key not in self._blocks:
            lines = dump(added).removesuffix("\n").split("\n")
            self._blocks[key] = self._newline.join(" " * column + line if line else line for line in lines)
        return self._blocks[key]

    def _end(self, last: Any) -> int | None:
        """Behind the line on which a mapping ends; None where that place is not sure."""
        mark = last.end_mark
        position: int = mark.index
        if getattr(last, "style", None) in ("|", ">"):
            return position if mark.column == 0 else None
        if last.start_mark.index == position and self.text[position - 1 : position] not in (":", "-"):
            return None
        found = _BREAK.search(self.text, position)
        return found.end() if found else len(self.text)


def without_places(value: Any) -> Any:
    """A copy of plain dicts and lists: what stands at one place of the text must not also stand at another."""
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    return [without_places(item) for item in value] if isinstance(value, list) else value


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise YamlError(f"cannot be written: {error}") from None
