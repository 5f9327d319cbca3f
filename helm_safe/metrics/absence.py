"""Two reasons why a dialect gives no numbers; every other NoData means that nobody could be asked at all."""

from __future__ import annotations

from helm_safe.model.traffic import NoData


class Absent(NoData):
    """The dialect is not spoken here: `auto` tries the next one."""


class Indistinct(NoData):
    """The counters are there, and do not tell the Services apart."""
