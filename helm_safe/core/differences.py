"""Where a live object differs from what a manifest states; the server's defaults and spellings do not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from helm_safe.core.quantities import same_duration, same_quantity

# The fields by which lists of mappings are matched, as the API server merges them.
_MERGE_KEYS = ("name", "containerPort", "port", "mountPath", "key", "topologyKey", "ip", "type", "host", "uid")
_DEEPEST = 60


def differences(stated: Any, live: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Dotted paths at which `live` lacks or contradicts what `stated` says; what `stated` leaves out is free."""
    if depth > _DEEPEST or stated is None or stated == []:
        return
    if isinstance(stated, Mapping) and (live is None or isinstance(live, Mapping)):
        for name, value in stated.items():
            below = f"{path}.{name}" if path else str(name)
            yield from differences(value, live.get(name) if live else None, below, depth + 1)
    elif isinstance(stated, list) and isinstance(live, list):
        yield from _lists(stated, live, path, depth)
    elif not same(stated, live):
        yield path


def same(one: Any, other: Any) -> bool:
    """Whether two scalars mean the same: "80" and 80, 1000m and 1, 60s and 1m0s."""
    if one == other or (_empty(one) and other is None):
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return str(one).lower() == str(other).lower()
    if not isinstance(one, (str, int, float)) or not isinstance(other, (str, int, float)):
        return False
    return str(one) == str(other) or same_quantity(one, other) or same_duration(one, other)


def _lists(stated: list[Any], live: list[Any], path: str, depth: int) -> Iterator[str]:
    key = _merge_key(stated)
    if key is None:
        if len(stated) != len(live):
            yield path
            return
        for index, (one, other) in enumerate(zip(stated, live, strict=True)):
            yield from differences(one, other, f"{path}[{index}]", depth + 1)
        return
    partners = {str(item.get(key)): item for item in live if isinstance(item, Mapping)}
    for item in stated:
        name = str(item[key])
        if name in partners:
            yield from differences(item, partners[name], f"{path}[{name}]", depth + 1)
        else:
            yield f"{path}[{name}]"


def _merge_key(items: list[Any]) -> str | None:
    """The first field that every item has and that tells them apart."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for key in _MERGE_KEYS:
        values = [str(item[key]) for item in items if key in item]
        if len(values) == len(items) == len(set(values)):
            return key
    return None


def _empty(value: Any) -> bool:
    """null, {}, [], "", false and 0 are what the API server drops from optional fields."""
    return not value
