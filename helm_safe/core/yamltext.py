"""YAML text whose mappings and lists know their places, so that values can be added without touching another character.

A value that is loaded and dumped again loses comments, quotes and styles, and with them often its meaning: "1e3" comes
back as a number. Here a text is read once; what is added is spliced in beside it; everything else stays as it was,
byte for byte. Scalars are read as `yamlio` reads them; keys are text as written; a key that stands twice is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from yaml import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from helm_safe.core.objects import dig
from helm_safe.core.yamlio import (
    MAX_ALIASES,
    MAX_COPIED,
    MAX_DEPTH,
    Loader,
    YamlError,
    built,
    plain,
    read_scalar,
)


class Leaf(NamedTuple):
    """The last scalar of a value: from where to where, the column behind it, and its style ("|", ">" or others)."""

    start: int
    end: int
    column: int
    style: str


class Map(dict[str, Any]):
    """A mapping at its place.

    start: mark of its first character, None where it has no place of its own to be edited (an alias, or what an alias
    repeats). last: see `leaf_of`. flow: written with braces. keys_at: where the keys begin, merges too, if `parse` was
    asked for them.
    """

    __slots__ = ("flow", "keys_at", "last", "start")
    start: Any
    last: Any
    flow: bool
    keys_at: list[int]


class Seq(list[Any]):
    """A list at its place; see Map."""

    __slots__ = ("flow", "last", "start")
    start: Any
    last: Any
    flow: bool


_ABSENT: Any = object()
_MERGE: Any = object()


def leaf_of(owner: Map | Seq) -> Leaf:
    """The last leaf of a value, from what its reader kept: a tuple, or the parser's event."""
    last = owner.last
    if last.__class__ is tuple:
        return Leaf(*last)
    end = last.end_mark
    return Leaf(last.start_mark.index, end.index, end.column, getattr(last, "style", None) or "")


def parse(text: str, *, keys: bool = False) -> list[Any]:
    """The values of all documents, empty ones as None. Raises YamlError with its place, the path too where known."""
    return built(text, _Reader(keys=keys).read)


class _Reader:
    """Builds values from parser events, in one pass."""

    def __init__(self, *, keys: bool) -> None:
        self.keys = keys
        self.anchors: dict[str, Any] = {}
        self.stack: list[tuple[Any, Any, str | None]] = []
        self.merges: list[tuple[Map, Map]] = []
        self.aliases = 0
        self.copied = 0

    def read(self, loader: Any) -> list[Any]:  # noqa: C901, PLR0912, PLR0915 - one loop over all events: calls would double its cost
        documents: list[Any] = []
        stack, anchors, keys, next_event = self.stack, self.anchors, self.keys, loader.get_event
        cont: Any = None
        key: Any = _ABSENT
        value: Any = None
        last: Any = None
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                text = event.value
                if key is _ABSENT and cont.__class__ is Map:
                    key = self._key(event, cont) if event.anchor or text in cont or text == "<<" else text
                    if keys:
                        cont.keys_at.append(event.start_mark.index)
                    continue
                last = event
                value = plain(text) if event.implicit[0] else text if event.tag is None else read_scalar(event)
                if event.anchor:
                    anchors[event.anchor] = value
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if len(stack) >= MAX_DEPTH or (key is _ABSENT and cont.__class__ is Map):
                    raise self._bad_start(event, cont)
                stack.append((cont, key, event.anchor))
                cont, key = Map() if kind is MappingStartEvent else Seq(), _ABSENT
                # With an anchor or a tag the mark is that one's, and the column is not known.
                cont.start = event.start_mark if event.anchor is None and event.tag is None else None
                cont.flow = event.flow_style
                if keys and kind is MappingStartEvent:
                    cont.keys_at = []
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value, last = cont, event if cont.flow else last
                value.last = last
                if self.merges:
                    self._merge_into(value)
                cont, key, anchor = stack.pop()
                if anchor:
                    anchors[anchor] = value
            elif kind is AliasEvent:
                value, last = self._alias(event, cont), event
                if key is _ABSENT and cont.__class__ is Map:
                    key = str(value)
                    continue
            elif kind is StreamEndEvent:
                return documents
            else:
                if kind is DocumentEndEvent:
                    documents.append(value)
                anchors.clear()
                value = None
                continue
            if cont.__class__ is Map:
                if key is _MERGE:
                    self._merge(cont, value, event)
                else:
                    cont[key] = value
                key = _ABSENT
            elif cont is not None:
                cont.append(value)

    def _key(self, event: Any, cont: Any) -> Any:
        """A key that needs a look: an anchor, a merge, or one that stands twice."""
        if event.value in cont:
            raise self._problem(f"the key {event.value[:80]!r} stands twice", event, cont)
        if event.anchor:
            self.anchors[event.anchor] = event.value
        merge = event.value == "<<" and (event.implicit[0] or event.tag == "tag:yaml.org,2002:merge")
        return _MERGE if merge else event.value

    def _bad_start(self, event: Any, cont: Any) -> YamlError:
        if len(self.stack) >= MAX_DEPTH:
            return self._problem(f"nested deeper than {MAX_DEPTH} levels", event, None)
        return self._problem("a list or mapping as a key", event, cont)

    def _alias(self, event: Any, cont: Any) -> Any:
        if event.anchor not in self.anchors:
            raise self._problem("an alias to an unknown or unfinished anchor", event, cont)
        self.aliases += 1
        value = self._copy(self.anchors[event.anchor], len(self.stack))
        if self.aliases > MAX_ALIASES or self.copied > MAX_COPIED:
            raise self._problem("aliases expand to too many values", event, cont)
        return value

    def _copy(self, value: Any, depth: int) -> Any:
        """A copy without a place; the original loses its own, for what is added there would appear here too."""
        self.copied += 1
        if depth > MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels")
        if self.copied > MAX_COPIED or value.__class__ not in (Map, Seq):
            return value
        value.start = None
        copy: Any = value.__class__()
        copy.start, copy.last, copy.flow = None, value.last, value.flow
        if isinstance(value, Map):
            copy.update((key, self._copy(item, depth + 1)) for key, item in value.items())
        else:
            copy.extend(self._copy(item, depth + 1) for item in value)
        return copy

    def _merge(self, into: Map, value: Any, event: Any) -> None:
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, Map):
                raise self._problem("a merge (<<) of something that is no mapping", event, into)
            self.merges.append((into, source))

    def _merge_into(self, finished: Any) -> None:
        """Keys of the mapping itself win, also those that follow the merge."""
        for into, source in self.merges:
            if into is finished:
                for key, value in source.items():
                    into.setdefault(key, value)
        self.merges = [each for each in self.merges if each[0] is not finished]

    def _problem(self, problem: str, event: Any, cont: Any) -> YamlError:
        mark = event.start_mark
        return YamlError(f"{problem}{_where(self.stack, cont)}", mark.line + 1, mark.column + 1)


class Entry(NamedTuple):
    """A key of a mapping in the text, from `start` to `key_end`, and its value up to `end`.

    literal: the value is a block scalar, which ends behind its last line break. anchored: it has an anchor somewhere.
    """

    name: str
    start: int
    key_end: int
    end: int
    literal: bool
    anchored: bool


def entries(text: str, owner: Map, end: int) -> list[Entry]:
    """The keys of a mapping that has a place; `end`: a position behind all of it."""
    shift = owner.start.index - owner.start.column
    loader = Loader(" " * owner.start.column + text[owner.start.index : end])
    try:
        return [_entry(key, last, anchored, shift) for key, last, anchored in _entries(loader)]
    finally:
        loader.dispose()


def _entry(key: Any, last: Any, anchored: bool, shift: int) -> Entry:
    literal = getattr(last, "style", None) in ("|", ">")
    name = key.value if isinstance(key, ScalarEvent) else ""
    start, key_end, end = (shift + mark.index for mark in (key.start_mark, key.end_mark, last.end_mark))
    return Entry(name, start, key_end, end, literal, anchored)


def _entries(loader: Any) -> Iterator[tuple[Any, Any, bool]]:
    """(event of the key, last event of the value, whether there is an anchor) of the first mapping of a stream."""
    depth, anchored = 0, False
    key: Any = None
    last: Any = None
    while True:
        event: Any = loader.get_event()
        is_start = isinstance(event, (MappingStartEvent, SequenceStartEvent))
        is_end = isinstance(event, (MappingEndEvent, SequenceEndEvent))
        depth += is_start - is_end
        if depth == 0 and is_end:
            return
        if depth == 0 or (depth == 1 and is_start):
            continue
        anchored = anchored or bool(getattr(event, "anchor", None))
        if not is_start and (not is_end or event.end_mark.index > event.start_mark.index):
            last = event  # the end of a block has no characters of its own
        if depth > 1 or is_start:
            continue
        if key is None:
            key = event
        else:
            yield key, last, anchored
            key, anchored = None, False


def _where(stack: list[tuple[Any, Any, str | None]], cont: Any) -> str:
    """As far as it was read: " in items[3].spec of Deployment/web"."""
    frames = [each for each in stack if each[0] is not None]
    path = "".join(f"[{len(each)}]" if isinstance(each, Seq) else f".{key}" for each, key, _ in frames)
    objects = [each for each in (*(frame[0] for frame in frames), cont) if isinstance(each, Map) and "kind" in each]
    owner = next((f"{each['kind']}/{dig(each, 'metadata', 'name')}" for each in reversed(objects[:10])), "")
    return (f" in {path.lstrip('.')[:300]}" if path else "") + (f" of {owner[:200]}" if owner else "")
