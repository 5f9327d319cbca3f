"""The table of our functions: kind of the config -> where the function is; imported only when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from krm_fn.function import Function

FUNCTIONS = {"RolloutDefaults": "krm_fn.defaults", "RolloutPolicy": "krm_fn.policy"}
"""Each module offers FUNCTION. The first one is what a ConfigMap asks for that names no kind."""


class _Known(Sequence[Function]):
    """Whoever finds what he looks for in the first one does not pay for the others."""

    def __len__(self) -> int:
        return len(FUNCTIONS)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index] if isinstance(index, slice) else _loaded(list(FUNCTIONS.values())[index])

    def __iter__(self) -> Iterator[Function]:
        return map(_loaded, FUNCTIONS.values())


def known_functions() -> Sequence[Function]:
    return _Known()


def _loaded(place: str) -> Function:
    found: Function = importlib.import_module(place).FUNCTION
    return found
