"""The user's own metrics: what is asked, for which Service, and what must hold for the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from string import Template
from typing import Any, Literal, NamedTuple

from helm_safe.model.traffic import NoData

MOST = 20  # queries of one policy: each is asked at every look
NAMES = ("service", "namespace", "release")  # what a query may have filled in
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WINDOW = re.compile(r"\[(\d{1,6})([smh])[\]:]")
_URL = re.compile(r"https?://[^\s@?#]+")


class Query(NamedTuple):
    """One metric of the user's.

    name: for people. text: in the language of the provider; `$service`, `$namespace` and `$release` are filled in,
    `$begin` and `$end` by providers whose queries name the time, `$$` is a dollar. provider, url: "" for those of
    `metrics.*`. least, most: bounds of the median of the readings, None for none. worse: which direction is bad when
    the current version is compared with, "" to leave that out. readings: how many are needed before anything is passed.
    """

    name: str
    text: str
    provider: str = ""
    url: str = ""
    least: float | None = None
    most: float | None = None
    worse: Literal["", "higher", "lower"] = ""
    readings: int = 10

    def filled(self, values: Mapping[str, str]) -> str:
        """The text to send. Raises NoData for a placeholder that nobody knows."""
        return filled(self.text, values)

    @property
    def by_service(self) -> bool:
        """Whether each Service has an answer of its own."""
        return any(name in self.text for name in ("$service", "${service}"))

    @property
    def compared(self) -> bool:
        """Whether the current version can be asked the same."""
        return bool(self.worse) and self.by_service

    @property
    def window(self) -> float:
        """Seconds that one reading looks back, as far as the text says so (`[5m]`); 0 where it does not."""
        return max((int(count) * _UNITS[unit] for count, unit in _WINDOW.findall(self.text)), default=0.0)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Query:
        """From what the option `gates.queries` holds: the words of the policy file."""
        return cls(**{_FIELDS.get(key, key): value for key, value in body.items()})


class Unanswered(NamedTuple):
    """A query that had no usable answer when it was tried. provider: its name. why, next_step: for people."""

    query: str
    provider: str
    why: str
    next_step: str = ""


_FIELDS = {"query": "text", "min": "least", "max": "most"}  # words of the policy -> fields


class Mistakes(ValueError):
    """Everything that is wrong with a value, a sentence each, which begins with the place inside it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_queries(value: Any) -> tuple[dict[str, Any], ...]:
    """The list of the policy file, as plain JSON that `Query.from_json` takes. Raises Mistakes."""
    if not isinstance(value, (list, tuple)) or len(value) > MOST:
        raise Mistakes(f": a list of at most {MOST} queries is expected")
    problems: list[str] = []
    found = []
    for number, entry in enumerate(value):
        wrong = list(_wrong(entry))
        problems += [f"[{number}]{words}" for words in wrong]
        if not wrong:
            found.append({key: entry[key] for key in _TAKEN if key in entry})
    names = [each["name"] for each in found]
    problems += [f": two queries are named {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
    if problems:
        raise Mistakes(*problems)
    return tuple(found)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _words(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= 4000


_TAKEN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda each: _words(each) and len(each) <= 60 and each.isprintable(), "a name of at most 60 characters"),
    "query": (_words, "the query's text, at most 4000 characters"),
    "provider": (lambda each: isinstance(each, str) and bool(re.fullmatch(r"[a-z0-9-]{1,40}", each)), "its name"),
    "url": (
        lambda each: isinstance(each, str) and len(each) <= 2000 and bool(_URL.fullmatch(each)),
        "an address such as https://prometheus.example, without a password",
    ),
    "min": (_number, "a number"),
    "max": (_number, "a number"),
    "worse": (lambda each: each in ("higher", "lower"), "higher or lower"),
    "readings": (lambda each: _number(each) and each == int(each) and 1 <= each <= 1000, "a whole number, 1 to 1000"),
}


def _wrong(entry: Any) -> Iterator[str]:
    """What is wrong with one query."""
    if not isinstance(entry, dict):
        yield ": a mapping with at least name and query is expected"
        return
    for key in entry:
        if key not in _TAKEN:
            yield f".{str(key)[:40]!r} is not known (known: {', '.join(_TAKEN)})"
    for key, (usable, what) in _TAKEN.items():
        if key in entry and not usable(entry[key]):
            yield f".{key}: {what} is expected"
        elif key not in entry and key in ("name", "query"):
            yield f".{key} is missing"
    yield from _pointless(entry)


def _pointless(entry: Mapping[str, Any]) -> Iterator[str]:
    """Queries that could never fail, or always would."""
    low, high = entry.get("min"), entry.get("max")
    if low is None and high is None and entry.get("worse") is None:
        yield ": min, max or worse must say what is bad"
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        yield f": min {low:g} is above max {high:g}"
    text = entry.get("query")
    if not isinstance(text, str):
        return
    if entry.get("worse") and low is None and high is None and not Query("", text).by_service:
        yield ".worse compares two Services, so the query must hold $service"
    try:
        filled(text, dict.fromkeys(NAMES, "x"))
    except NoData as unknown:
        yield f".query: {unknown.message}"


_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""What names of Kubernetes look like: nothing that could change the meaning of a query."""
_BEGIN, _END = "${begin}", "${end}"


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in, but for those of `timed`. Raises NoData for one that nobody knows."""
    strange = next((name for name, value in values.items() if not _NAME.fullmatch(value)), "")
    if strange:
        raise NoData(f"the {strange} has a name that cannot be put into a query")
    try:
        return Template(text).substitute({"begin": _BEGIN, "end": _END, **values})
    except (KeyError, ValueError) as error:
        known = ", ".join(f"${name}" for name in values)
        raise NoData(f"the query has a placeholder that is not known ({error}); known: {known}") from None


def timed(text: str, begin: str, end: str) -> str:
    """A filled text with the time that it is asked for, as its language writes it."""
    return text.replace(_BEGIN, begin).replace(_END, end)


def names_time(text: str, *, end: bool = False) -> bool:
    """Whether a filled text says where the begin (or the end) of the time goes."""
    return (_END if end else _BEGIN) in text
