"""The user's own metrics: what is asked, for which Service, and what must hold for the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template
from typing import Any, Literal, NamedTuple

from helm_safe.model.traffic import NoData


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
    def compared(self) -> bool:
        """Whether the current version can be asked the same."""
        return bool(self.worse) and any(name in self.text for name in ("$service", "${service}"))

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Query:
        """From the plain JSON that the option `gates.queries` holds."""
        return cls(**body)


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


def names_time(text: str) -> bool:
    """Whether a filled text says where the begin of the time goes."""
    return _BEGIN in text
