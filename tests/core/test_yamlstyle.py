"""What is spliced into a text: the same value for readers of YAML 1.1 and 1.2, in kubectl's style."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helm_safe.core.yamlio import YamlError, load
from helm_safe.core.yamlstyle import block, flow

TEXT = (
    st.text(max_size=8)
    | st.text(" \n#:-ab|'\"", max_size=8)
    | st.sampled_from(["y", "on", "1e3", "08", "=", "<<", "~"])
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT.filter(lambda text: "\ud800" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@example(["\x1b\n"], False)
@given(st.lists(VALUES, min_size=1, max_size=3) | st.dictionaries(TEXT, VALUES, min_size=1, max_size=3), st.booleans())
@settings(max_examples=400, deadline=None)
def test_round_trip(value: Any, bare: bool) -> None:
    for text in ("\n".join(block(value)) + "\n", flow(value, bare=bare)):
        assert load(text) == value
        assert yaml.safe_load(text) == value
    assert json.loads(flow(value, bare=False)) == value


def test_style() -> None:
    value = {
        "httpGet": {"path": "/a-b_c:d", "port": "http"},
        "l": ["08", {"a": {}}, [1, []]],
        "t": "a\n\n b\n",
        "n": "no",
    }
    assert block(value) == [
        "httpGet:",
        "  path: /a-b_c:d",
        "  port: http",
        "l:",
        '- "08"',
        "- a: {}",
        "- - 1",
        "  - []",
        "t: |",
        "  a",
        "",
        "   b",
        '"n": "no"',
    ]


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, [float("inf")]])
def test_what_yaml_has_not_is_an_error(value: Any) -> None:
    with pytest.raises(YamlError):
        block({"k": value})
