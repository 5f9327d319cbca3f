"""A fake behind a fence: the same object, asked for leave before each method that writes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


class Fenced:
    """All that `inner` has; `check` is called before the methods named in `writes`."""

    def __init__(self, inner: object, check: Callable[[], None], writes: Collection[str]) -> None:
        self._inner = inner
        self._check = check
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._writes:
            return found

        def fenced(*args: Any, **kwargs: Any) -> Any:
            self._check()
            return found(*args, **kwargs)

        return fenced
