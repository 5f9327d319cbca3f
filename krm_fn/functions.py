"""The table of our functions: kind of the config -> where the function is; imported only when asked for."""

from __future__ import annotations

import importlib

from krm_fn.function import Function

FUNCTIONS = {"RolloutDefaults": "krm_fn.defaults", "RolloutPolicy": "krm_fn.policy"}
"""Each module offers FUNCTION. The first one is what a ConfigMap asks for that names no kind."""


def known_functions() -> list[Function]:
    return [importlib.import_module(place).FUNCTION for place in FUNCTIONS.values()]
