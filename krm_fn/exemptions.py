"""Objects that may break a rule, each with a reason: the annotation `helm-safe.dev/exempt`."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.annotations import EXEMPT
from krm_fn.items import Item


def exemptions(item: Item) -> Iterator[tuple[str, str]]:
    """(id, reason) of the parts or lines of the annotation, such as "PROBE-005: legacy, until March"; either may be
    empty where somebody forgot it.
    """
    for part in str(item.annotations.get(EXEMPT) or "").replace("\n", ";").split(";"):
        check, _, reason = (each.strip() for each in part.partition(":"))
        if check or reason:
            yield check, reason


def exempted(item: Item, check: str) -> str:
    """The reason why an object may break a rule, "" where it may not."""
    return next((reason for name, reason in exemptions(item) if name == check), "")
