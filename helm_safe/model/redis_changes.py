"""What became of the families of Redis keys since a revision ran. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.model.photograph import Family, RedisState


class KeyChange(NamedTuple):
    """One family that is not what it was. breaks: whether old code fails on it, or may only be surprised."""

    family: str
    words: str
    breaks: bool


def changes(then: RedisState, now: RedisState) -> Iterator[KeyChange]:
    """The families in both snapshots that differ, and those that are gone although all keys were seen."""
    for name, before in then.families.items():
        after = now.families.get(name)
        if after is not None:
            yield from _compared(name, before, after)
        elif now.whole and before.expiring < 100:
            yield KeyChange(name, "are gone", breaks=False)


def _compared(name: str, before: Family, after: Family) -> Iterator[KeyChange]:
    types = {kind.partition("/")[0] for kind in after.kinds} - {kind.partition("/")[0] for kind in before.kinds}
    if types:
        words = (
            f"are {', '.join(sorted(types))} now, which were {', '.join(before.kinds)}: old commands end with WRONGTYPE"
        )
        yield KeyChange(name, words, breaks=True)
    forms = set(after.formats) - set(before.formats)
    if forms and before.formats:
        words = f"hold {', '.join(sorted(forms))} now, which held {', '.join(before.formats)}"
        yield KeyChange(name, words, breaks=True)
    if before.expiring >= 90 and after.expiring <= 50:
        yield KeyChange(name, f"do not expire any more ({after.expiring} % do, {before.expiring} % did)", breaks=False)
