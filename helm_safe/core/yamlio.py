"""The one reader and writer of YAML: limits against bombs, and the meaning that Helm's own parser gives.

The C parser's composer recurses on the C stack and kills the interpreter on deep nesting, and an alias bomb of 271
bytes expands to hundreds of megabytes. So values are built here straight from parser events, in one pass, with the
limits checked on the way: no second scan is needed, and it is faster than PyYAML's own constructor. Plain scalars mean
what they mean to Helm and kubectl (sigs.k8s.io/yaml): `yes`, `on`, `y` and their kin are booleans, `1e3` is a number,
dates and `8080:80` are text, keys are always text.
Every value that comes out can be written as JSON, except infinities, which stay text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import yaml

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

MAX_SIZE = 64 * 1024 * 1024
"""Characters in one text."""
MAX_DEPTH = 100
"""Nested lists and mappings, aliases expanded."""
MAX_ALIASES = 10_000
MAX_COPIED = 200_000
"""Values that aliases and merges may add in one text."""
MAX_DIGITS = 400
"""Longest plain scalar that may be a number: huge integers cost quadratic time and no API field takes them."""

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LOOKS_TYPED = re.compile(r"[-+]?[.0-9][-+.0-9a-zA-Z_:]*|[=<~]+")


class YamlError(ValueError):
    """A text that cannot be read, or a value that cannot be written.

    line and column count from 1, 0 where unknown. `problem` never quotes the text itself: it may hold secrets.
    """

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {problem}" if line else problem)
        self.problem = problem
        self.line = line
        self.column = column


class _Anchor(NamedTuple):
    value: Any
    size: int
    height: int


class _Frame:
    """A list or mapping being filled."""

    __slots__ = ("anchor", "height", "key", "key_ready", "merges", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: Any = None
        self.key_ready = False
        self.merges: list[Any] = []
        self.size = 1
        self.height = 1


_MERGE = object()


class _Builder:
    """Builds the values of all documents of a stream from parser events."""

    def __init__(self) -> None:
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchor] = {}
        self.aliases = 0
        self.copied = 0
        self.root: Any = None

    def start_document(self) -> None:
        self.anchors, self.root = {}, None

    def scalar(self, event: Any) -> None:
        is_key = bool(self.stack) and isinstance(self.stack[-1].value, dict) and not self.stack[-1].key_ready
        if is_key and event.value == "<<" and event.implicit[0]:
            self.stack[-1].key, self.stack[-1].key_ready = _MERGE, True
            return
        value = read_scalar(event)
        if event.anchor:
            self.anchors[event.anchor] = _Anchor(value, 1, 0)
        self.put(key_text(value) if is_key else value, 1, 0)

    def start(self, event: Any, value: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _problem(f"nested deeper than {MAX_DEPTH} levels", event)
        if self.stack and isinstance(self.stack[-1].value, dict) and not self.stack[-1].key_ready:
            raise _problem("a list or mapping as a key", event)
        self.stack.append(_Frame(value, event.anchor))

    def end(self) -> None:
        frame = self.stack.pop()
        for merged in frame.merges:
            for key, value in merged.items():
                frame.value.setdefault(key, value)
        if frame.anchor:
            self.anchors[frame.anchor] = _Anchor(frame.value, frame.size, frame.height)
        self.put(frame.value, frame.size, frame.height)

    def alias(self, event: Any) -> None:
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            raise _problem("an alias to an unknown or unfinished anchor", event)
        self.aliases += 1
        self.copied += anchor.size
        if self.aliases > MAX_ALIASES or self.copied > MAX_COPIED:
            raise _problem("aliases expand to too many values", event)
        if len(self.stack) + anchor.height > MAX_DEPTH:
            raise _problem(f"nested deeper than {MAX_DEPTH} levels", event)
        is_key = bool(self.stack) and isinstance(self.stack[-1].value, dict) and not self.stack[-1].key_ready
        if is_key and anchor.height:
            raise _problem("a list or mapping as a key", event)
        self.put(key_text(anchor.value) if is_key else _copy(anchor.value), anchor.size, anchor.height)

    def put(self, value: Any, size: int, height: int) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif not frame.key_ready:
            frame.key, frame.key_ready = value, True
        else:
            self._pair(frame, value)

    def _pair(self, frame: _Frame, value: Any) -> None:
        frame.key_ready = False
        if frame.key is not _MERGE:
            frame.value[frame.key] = value
            return
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise YamlError("a merge (<<) of something that is no mapping")
        frame.merges.extend(sources)


def load_all(text: str) -> list[Any]:
    """The values of all documents, empty ones as None.

    Later duplicates of a key win, as in Helm. Raises YamlError.
    """
    return built(text, _build)


def load(text: str) -> Any:
    """The value of a text of one document; None for an empty text. Raises YamlError, also for a second document."""
    documents = load_all(text)
    if len(documents) > 1:
        raise YamlError(f"{len(documents)} documents where one was expected")
    return documents[0] if documents else None


def dump(value: Any) -> str:
    """YAML that YAML 1.1 and 1.2 readers understand alike; keys keep their order. Raises YamlError."""
    try:
        text: str = yaml.dump(
            value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1_000_000
        )
    except (yaml.YAMLError, RecursionError, UnicodeEncodeError) as error:
        raise YamlError(f"cannot be written as YAML ({type(error).__name__})") from None
    return text


def built(text: str, build: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """What `build` makes of the parser of a text. Raises YamlError."""
    if len(text) > MAX_SIZE:
        raise YamlError(f"longer than {MAX_SIZE // 1024 // 1024} MiB")
    try:
        loader = Loader(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise _from_yaml(error) from None
    try:
        return list(build(loader))
    except (yaml.YAMLError, UnicodeError) as error:
        raise _from_yaml(error) from None
    finally:
        loader.dispose()


def _build(loader: Any) -> Iterator[Any]:  # noqa: C901 - one branch per kind of event, in the order of their frequency
    builder = _Builder()
    next_event = loader.get_event
    while True:
        event = next_event()
        kind = event.__class__
        if kind is yaml.ScalarEvent:
            builder.scalar(event)
        elif kind is yaml.MappingStartEvent:
            builder.start(event, {})
        elif kind is yaml.SequenceStartEvent:
            builder.start(event, [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            builder.end()
        elif kind is yaml.AliasEvent:
            builder.alias(event)
        elif kind is yaml.DocumentStartEvent:
            builder.start_document()
        elif kind is yaml.DocumentEndEvent:
            yield builder.root
        elif kind is yaml.StreamEndEvent:
            return


def read_scalar(event: Any) -> Any:
    if event.implicit[0]:
        return plain(event.value)
    tag = event.tag
    if tag in (None, "!", _TAG + "str", _TAG + "binary") or not tag.startswith(_TAG):
        return event.value
    return plain(event.value)


@functools.lru_cache(maxsize=8192)
def plain(text: str) -> Any:
    """What an unquoted scalar means: None, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789-+." or len(text) > MAX_DIGITS:
        return text
    digits = text.replace("_", "") if text[0] != "." else text
    if _INTEGER.fullmatch(digits):
        return _integer(digits, text)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def _integer(digits: str, text: str) -> int | float | str:
    body = digits.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(body[:2], 8 if body[0] == "0" and len(body) > 1 else 10)
    number = int(body[2:] if base != 10 and body[1].isalpha() else body, base)
    if number >= 1 << 64:
        return float(digits) if base == 10 else text
    return -number if digits[0] == "-" else number


def key_text(value: Any) -> str:
    """A key as JSON spells it."""
    if isinstance(value, str):
        return value
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _problem(problem: str, event: Any) -> YamlError:
    mark = event.start_mark
    return YamlError(problem, mark.line + 1, mark.column + 1) if mark else YamlError(problem)


def _from_yaml(error: Exception) -> YamlError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable as text"
    # What the parser says may name an anchor or a character of the text; the rest of the text stays out of it.
    problem = re.sub(r"[^ -~]", "?", str(problem))[:200]
    return YamlError(problem, mark.line + 1, mark.column + 1) if mark else YamlError(problem)


class _Dumper(BaseDumper):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the name is PyYAML's
        return True


def _ambiguous(text: str) -> bool:
    return text in _WORDS or bool(_LOOKS_TYPED.fullmatch(text))


def _text(dumper: Any, value: str) -> Any:
    if "\n" in value:
        return dumper.represent_scalar(_TAG + "str", value, style="|")
    return dumper.represent_scalar(_TAG + "str", value, style="'" if _ambiguous(value) else None)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(str, lambda dumper, value: _text(dumper, str.__str__(value)))
