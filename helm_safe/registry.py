"""Plug-ins by name: `name -> "module:attribute"`, imported only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from helm_safe.model.errors import UsageError


def load(name: str, table: Mapping[str, str], *, noun: str, group: str = "") -> Any:
    """The object that `name` stands for in `table`.

    noun: what the family is called in messages ("router"). group: the entry-point group in which installed packages may
    add names; it is looked at only when the table lacks the name, because reading entry points costs start-up time.
    Raises UsageError, listing the known names, when nobody provides it.
    """
    if name in table:
        return resolve(table[name])
    found = [point for point in _entry_points(group) if point.name == name]
    if found:
        return found[0].load()
    raise unknown(noun, name, [*table, *(point.name for point in _entry_points(group))])


def resolve(target: str) -> Any:
    """Import "module:attribute"."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def unknown(noun: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that nobody provides: near names first, else all of them."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names) or 'none'}."
    return UsageError(f"There is no {noun} named {name!r}.", hint)


def _entry_points(group: str) -> list[Any]:
    if not group:
        return []
    from importlib.metadata import entry_points

    return sorted(entry_points(group=group), key=lambda point: point.name)
