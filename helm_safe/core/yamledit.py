"""Changes of a YAML text, gathered and then spliced in at once; see `yamltext`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from helm_safe.core.yamlchange import Splice, changes
from helm_safe.core.yamlstyle import block, flow, pairs
from helm_safe.core.yamltext import Entry, Map, Seq, entries, leaf_of

_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_BREAKS = ("\n", "\r", "\x85", "\u2028", "\u2029")
_REMARK = re.compile(r"(?:[ \t]*(?:\r\n|[\r\n]))*( *)#[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n]|\Z)")
_TABS = re.compile(
    r" *\t[ \t]*(?:#[^\r\n\x85\u2028\u2029]*)?(?:\r\n|[\r\n]|\Z)"
)  # a line that only a plain scalar may have behind it


class NoPlace(ValueError):
    """A value that cannot be edited where it stands: it is repeated by an alias, or carries an anchor or a tag."""


class Edits:
    """Changes of one text. Values in memory change at once, the text when it is asked for.

    sort: the text was parsed with `keys`; in mappings whose keys are sorted, as Kustomize writes them, what is added
    goes in order too; else at the end.
    """

    def __init__(self, text: str, *, sort: bool = False) -> None:
        self.text = text
        self._sort = sort
        self._added: dict[int, tuple[Map, dict[str, Any]]] = {}
        self._appended: dict[int, tuple[Seq, list[Any]]] = {}
        self._in_front: dict[int, bool] = {}
        self._changed: dict[int, tuple[Map, dict[str, bool]]] = {}  # key -> whether it stays
        self._blocks: dict[str, str] = {}
        self._newline = "\r\n" if "\r\n" in text[:4096] else "\n"

    def __bool__(self) -> bool:
        return bool(self._added or self._appended or self._changed)

    @property
    def rewrites(self) -> bool:
        """Whether anything is replaced or removed, and not only added."""
        return bool(self._changed)

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
        """Add an item to a list of the text: at the end of a block, in front within brackets. Raises NoPlace.

        In front, too, where it is not sure at which place a block ends.
        """
        if owner.start is None:
            raise NoPlace("list")
        if id(owner) not in self._in_front:
            self._in_front[id(owner)] = owner.flow or self._end(owner) is None
        values = self._appended.setdefault(id(owner), (owner, []))[1]
        owner.insert(len(values) if self._in_front[id(owner)] else len(owner), value)
        values.append(value)

    def replace(self, owner: dict[str, Any], key: str, value: Any) -> None:
        """Exchange the value of a key that is there. Raises NoPlace, also where the old one carries an anchor."""
        self._change(owner, key, stays=True)
        owner[key] = value
        added = self._added.get(id(owner), (owner, {}))[1]
        if key in added:
            added[key] = value

    def remove(self, owner: dict[str, Any], key: str) -> None:
        """Take a key out, with the lines of its value. Raises NoPlace, also where that carries an anchor."""
        self._change(owner, key, stays=False)
        del owner[key]

    def apply(self) -> str:
        """The text with every change; the same text when there is none."""
        parts, at = [], 0
        for position, _, text, end in sorted(self._splices()):
            parts += [self.text[at:position], text]
            at = max(at, position, end)
        return "".join([*parts, self.text[at:]])

    def _change(self, owner: dict[str, Any], key: str, *, stays: bool) -> None:
        if not isinstance(owner, Map):
            return
        added = self._added.get(id(owner), (owner, {}))[1]
        if key in added:  # nothing of it is in the text yet
            if not stays:
                del added[key]
            return
        if owner.start is None or not self._in_place(owner):
            raise NoPlace(key)
        found = self._entries(owner)
        if not any(entry.name == key and self._is_plain(entry) for entry in found) or any(
            e.name == "<<" for e in found
        ):
            raise NoPlace(key)
        self._forget(owner[key])
        self._changed.setdefault(id(owner), (owner, {}))[1][key] = stays

    def _is_plain(self, entry: Entry) -> bool:
        """Without anchors, and not written as `? key`."""
        return not entry.anchored and not self.text[max(entry.start - 9, 0) : entry.start].rstrip().endswith("?")

    def _forget(self, value: Any) -> None:
        """Changes inside of what goes away go with it."""
        for table in (self._added, self._appended, self._changed):
            table.pop(id(value), None)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self._forget(each)

    def _entries(self, owner: Map) -> list[Entry]:
        end = leaf_of(owner).end if owner.flow else self._end(owner) or len(self.text)
        return entries(self.text, owner, end)

    def _splices(self) -> Iterator[Splice]:
        for owner, keys in self._changed.values():
            yield from changes(self.text, owner, keys, self._entries(owner), self._newline)
        for owner, added in self._added.values():
            if not added or self._rewritten(owner):
                continue
            if owner.flow:
                bare = not self.text.startswith('"', self._next(owner.start.index + 1))
                yield self._flow(owner, pairs(added, bare=bare), len(added))
            elif self._sort and _is_sorted([name for name in owner if name not in added]):
                yield from self._in_order(owner, added)
            else:
                yield self._block(owner, added, (-owner.start.column, 1))
        for each, values in self._appended.values():
            if each.flow:
                yield self._flow(each, ", ".join(flow(value, bare=False) for value in values), len(values))
            else:
                yield self._block(each, values, (-each.start.column, 0))

    def _rewritten(self, owner: Map) -> bool:
        """Whether nothing of its own text stays, so that it is written anew with what was added."""
        keys = self._changed.get(id(owner), (owner, {}))[1]
        return bool(keys) and not any(keys.get(entry.name, True) for entry in self._entries(owner))

    def _in_place(self, owner: Map) -> bool:
        """An implicit mapping (`[a: b]`) has no braces to add to."""
        return not owner.flow or self.text[owner.start.index] == "{"

    def _next(self, position: int) -> int:
        while self.text[position : position + 1].isspace():
            position += 1
        return position

    def _flow(self, owner: Map | Seq, text: str, count: int) -> Splice:
        """Right behind the opening bracket, where nothing can be in the way."""
        position = owner.start.index + 1
        more = len(owner) > count
        blank = " " if more and not self.text[position].isspace() else ""
        return Splice(position, (0, 0), f"{text}{',' if more else ''}{blank}")

    def _in_order(self, owner: Map, added: dict[str, Any]) -> Iterator[Splice]:
        """Each key before the first one that is greater."""
        places = self._places(owner)
        later: dict[str, Any] = {}
        for number, key in enumerate(sorted(added)):
            body = {key: _sorted(added[key])}
            greater = next((place for name, place in places if name > key), None)
            if greater is None or self._remark_above(greater):
                later.update(body)
            else:
                yield self._before(greater, owner.start.column, body)._replace(order=(0, 2 + number))
        if later:
            yield self._block(owner, later, (-owner.start.column, 1))

    def _places(self, owner: Map) -> list[tuple[str, int]]:
        """The keys that stay in the text, and where they stand."""
        gone = self._changed.get(id(owner), (owner, {}))[1]
        names = [name for name in owner if name not in self._added[id(owner)][1]]
        if not gone and len(names) == len(owner.keys_at):
            return list(zip(names, owner.keys_at, strict=True))
        return [(each.name, each.start) for each in self._entries(owner) if gone.get(each.name, True)]

    def _remark_above(self, position: int) -> bool:
        """Whether a remark stands above a key: nothing may come between them."""
        return self._is_remark(self.text.rfind("\n", 0, position) + 1)

    def _is_remark(self, position: int) -> bool:
        """Whether the line that ends here is nothing but a remark."""
        end = max(position - 1, 0)
        return self.text[self.text.rfind("\n", 0, end) + 1 : end].lstrip().startswith("#")

    def _before(self, position: int, column: int, added: Any) -> Splice:
        """In front of a key or item, whose indentation moves behind what is added."""
        body = self._rendered(added, column)[column:]
        return Splice(position, (0, 0), f"{body}{self._newline}{' ' * column}")

    def _block(self, owner: Map | Seq, added: Any, order: tuple[int, int]) -> Splice:
        column = owner.start.column
        position = self._end(owner)
        if position is None:
            return self._before(owner.start.index, column, added)
        body = self._rendered(added, column)
        if self._is_remark(position):
            body = self._newline + body  # else the remark would be taken for one about what is added
        if self.text[position - 1 : position] in _BREAKS:
            return Splice(position, order, body + self._newline)
        return Splice(position, order, self._newline + body)

    def _rendered(self, added: Any, column: int) -> str:
        """The block, indented, without a last line break. The same defaults go into many objects: kept."""
        key = f"{column}{added!r}"
        if key not in self._blocks:
            self._blocks[key] = self._newline.join(" " * column + line if line else line for line in block(added))
        return self._blocks[key]

    def _end(self, owner: Map | Seq) -> int | None:
        """Behind the last line of a block, and the remarks indented like it; None where that place is not sure."""
        last = leaf_of(owner)
        position = last.end
        if last.style in ("|", ">"):
            return position if last.column == 0 else None
        if last.start == position and self.text[position - 1 : position] not in (":", "-"):
            return None
        found = _BREAK.search(self.text, position)
        return self._behind_remarks(found.end(), owner.start.column) if found else len(self.text)

    def _behind_remarks(self, position: int, column: int) -> int:
        while True:
            tabs = _TABS.match(self.text, position)
            remark = tabs or _REMARK.match(self.text, position)
            if remark is None or (not tabs and (column == 0 or len(remark[1]) < column)):
                return position
            position = remark.end()


def without_places(value: Any) -> Any:
    """A copy of plain dicts and lists: what stands at one place of the text must not also stand at another."""
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    return [without_places(item) for item in value] if isinstance(value, list) else value


def _is_sorted(keys: list[str]) -> bool:
    return all(one < other for one, other in pairwise(keys))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
