"""The user's own metrics: what is asked, for which Service, and what must hold for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any, Literal, NamedTuple

from helm_safe.model.traffic import NoData


class Query(NamedTuple):
    """One metric of the user's.

    name: for people. text: in the language of the provider; `$service`, `$namespace` and `$release` are filled in, `$$`
    is a dollar. provider, url: "" for those of `metrics.*`. least, most: bounds of the median of the readings, None for
    none. worse: which direction is bad when the current version is compared with, "" to leave that out. readings: how
    many are needed before anything is passed.
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


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in. Raises NoData for one that nobody knows."""
    try:
        return Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        known = ", ".join(f"${name}" for name in values)
        raise NoData(f"the query has a placeholder that is not known ({error}); known: {known}") from None
