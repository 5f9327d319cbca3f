"""A quick reader for YAML as Kustomize, Helm and kubectl write it: one key or item a line, nothing that needs a parser.

It gives what `yamltext.parse` gives, in half of the time, or None at the first line of which it is not sure: comments,
anchors, flow collections, scalars over several lines, escapes, tabs, anything that is not ASCII. Then the parser reads
the whole text. Worth it for large builds alone, whose reading is most of the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from helm_safe.core.yamlio import MAX_DEPTH, MAX_SIZE, plain
from helm_safe.core.yamltext import Map, Seq

_LINE = re.compile(r"( *)(- )?(?:(\w[\w./-]*):(?: (.+))?|(.*))\n", re.ASCII)
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_PLAIN = re.compile(r"(?!.*(?:: | #))(?:[A-Za-z0-9_./(^$+=~;<]|-(?=[^ ]))(?:.*[^ :])?")
_LITERALS = ("|", "|-")
_OPEN = ("{}", "[]")


class Place:
    """Where a value begins, as the marks of the parser say it."""

    __slots__ = ("column", "index")

    def __init__(self, index: int, column: int) -> None:
        self.index = index
        self.column = column


class _Unsure(Exception):
    """A line that a parser must read."""


def quick_parse(text: str, *, keys: bool = False) -> list[Any] | None:
    """The values of all documents like `yamltext.parse`; None where that must read the text."""
    if not text.isascii() or len(text) > MAX_SIZE or not text.endswith("\n") or "\r" in text or "\t" in text:
        return None
    try:
        return _Lines(text, keys=keys).read()
    except _Unsure:
        return None


class _Lines:
    """One pass over the lines. columns and owners: the open collections, outermost first; top and column: the last.

    waiting: the key of the innermost mapping whose value is still to come, with `after`, the place behind its colon.
    begin, end, style: the last leaf. known: scalars that were read before.
    """

    def __init__(self, text: str, *, keys: bool) -> None:
        self.text = text
        self.keys = keys
        self.documents: list[Any] = []
        self.columns: list[int] = []
        self.owners: list[Any] = []
        self.top: Any = None
        self.column = -1
        self.waiting: str | None = None
        self.after = 0
        self.begin = self.end = 0
        self.style = ""
        self.known: dict[str, Any] = {}

    def read(self) -> list[Any]:  # noqa: C901, PLR0912, PLR0915 - one loop over all lines: calls would double its cost
        known, keys = self.known, self.keys
        position = 0
        lines = iter(_LINE.findall(self.text))
        for indent, dash, key, value, other in lines:
            column = len(indent)
            place = position + column
            if not key:
                position = self._other(place, column, dash, other)
                continue
            if dash:
                self._item(place, column)
                column, place = column + 2, place + 2
                self._open(Map(), place, column)
            elif column > self.column and self.waiting is not None:
                self._open(Map(), place, column)
            elif column != self.column or self.top.__class__ is not Map:
                self._mapping(place, column)
            elif self.waiting is not None:
                self._null()
            top = self.top
            if key in top:
                raise _Unsure
            if keys:
                top.keys_at.append(place)
            after = place + len(key) + 1
            position = after + 1
            if not value:
                self.waiting, self.after = key, after
                continue
            self.begin, self.end, self.style = position, position + len(value), ""
            position = self.end + 1
            if value in known:
                top[key] = known[value]
            elif value in _LITERALS:
                top[key], position = self._literal(value, position, lines)
                self.end, self.style = position, "|"
            else:
                top[key] = self._scalar(value)
        if position != len(self.text) or not self.owners:
            raise _Unsure
        self._separate(first=False)
        return self.documents

    def _other(self, place: int, column: int, dash: str, other: str) -> int:
        """A line without a key: an item, or the mark between documents; returns where the next line begins."""
        if dash and other:
            self._item(place, column)
            self.begin, self.end, self.style = place + 2, place + 2 + len(other), ""
            self.top.append(self.known[other] if other in self.known else self._scalar(other))
            return self.end + 1
        if other != "---" or column:
            raise _Unsure
        self._separate(first=not place)
        return place + 4

    # --- collections ---

    def _mapping(self, place: int, column: int) -> None:
        """The mapping that a key at that column belongs to, after deeper ones, is the innermost collection."""
        while self.column > column:
            self._pop()
        if self.column == column and self.top.__class__ is Seq:
            self._pop()
        if self.column != column or self.top.__class__ is not Map:
            if self.owners or column:
                raise _Unsure
            self._open(Map(), place, column)
        elif self.waiting is not None:
            self._null()

    def _item(self, place: int, column: int) -> None:
        """The list that an item at that column belongs to is the innermost collection."""
        while self.column > column:
            self._pop()
        if self.column == column and self.top.__class__ is Seq:
            return
        if self.waiting is None or column < self.column:
            raise _Unsure
        self._open(Seq(), place, column)

    def _pop(self) -> None:
        if self.waiting is not None:
            self._null()
        self.owners.pop().last = (self.begin, self.end, 0 if self.style else 1, self.style)
        self.columns.pop()
        self.top, self.column = (self.owners[-1], self.columns[-1]) if self.owners else (None, -1)

    def _open(self, made: Any, place: int, column: int) -> None:
        if len(self.columns) >= MAX_DEPTH:
            raise _Unsure
        made.start, made.flow = Place(place, column), False
        if self.keys and made.__class__ is Map:
            made.keys_at = []
        if self.waiting is not None:
            self.top[self.waiting] = made
            self.waiting = None
        elif self.owners:
            self.top.append(made)
        self.owners.append(made)
        self.columns.append(column)
        self.top, self.column = made, column

    def _null(self) -> None:
        """The key that waits has no value."""
        self.top[self.waiting] = None
        self.waiting = None
        self.begin = self.end = self.after
        self.style = ""

    def _separate(self, *, first: bool) -> None:
        """The end of a document; first: the text begins with the mark, and nothing ends."""
        if not self.owners:
            if first:
                return
            raise _Unsure  # an empty document
        self.documents.append(self.owners[0])
        while self.owners:
            self._pop()

    # --- scalars ---

    def _scalar(self, value: str) -> Any:
        """What stands behind a key or a dash, to the end of the line."""
        if value in _OPEN:
            return self._empty(value, self.begin)
        self.known[value] = found = _meaning(value)
        return found

    def _empty(self, value: str, place: int) -> Any:
        made: Any = Map() if value == "{}" else Seq()
        made.start, made.flow, made.last = Place(place, 0), True, (place, place + 2, 1, "")
        if self.keys and made.__class__ is Map:
            made.keys_at = []
        return made

    def _literal(self, head: str, position: int, lines: Iterator[tuple[str, ...]]) -> tuple[str, int]:
        """A block scalar that begins at a position, and where it ends. Its lines are deeper than its mapping."""
        text, width = self.text, 0
        body: list[str] = []
        while position < len(text):
            end = text.find("\n", position)
            row = text[position:end]
            depth = len(row) - len(row.lstrip(" "))
            width = width or depth
            if row and depth <= self.column:
                break
            if not row.strip() or depth < width:
                raise _Unsure  # blank lines have rules of their own
            body.append(row[width:])
            next(lines)
            position = end + 1
        if not body:
            raise _Unsure
        return "\n".join(body) + ("\n" if head == "|" else ""), position


def _meaning(value: str) -> Any:
    if not value.isprintable():
        raise _Unsure
    if value[0] == "'" and _QUOTED.fullmatch(value):
        return value[1:-1].replace("''", "'")
    if value[0] == '"' and len(value) > 1 and value[-1] == '"' and '"' not in value[1:-1] and "\\" not in value:
        return value[1:-1]
    if not _PLAIN.fullmatch(value):
        raise _Unsure
    return plain(value)
