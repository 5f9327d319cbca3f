"""The quick reader gives what the parser gives, with the same places, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.krm import resource_list
from helm_safe.core.yamlio import YamlError, dump, load_all
from helm_safe.core.yamllines import quick_parse
from helm_safe.core.yamltext import Map, Seq, leaf_of, parse

GOLDEN = Path(__file__).parents[1] / "krm" / "golden"
CLEAN = ["---\n".join(map(dump, load_all(path.read_text()))) for path in sorted(GOLDEN.glob("*/_expected.yaml"))]
WRITTEN = [text for text in CLEAN if text.isascii()] + [resource_list(2).decode()]
PIECES = (
    *(
        "\n",
        " ",
        "  ",
        "- ",
        "-",
        ":",
        ": ",
        "{}",
        "[]",
        "{",
        "'",
        '"',
        "|",
        "|-",
        "#",
        " #c",
        "&a ",
        "*a",
        "~",
        "---\n",
    ),
    *("- - x", "a: b\n", "  a: b\n", "a:\n", "? ", "!!str ", "<<: ", "...\n", "%", "@", ">", "\\", "''", "k: |\n  t\n"),
    *(
        "k: |\n\n  t\n",
        "\n\n",
        "=",
        "- a\n",
        "a:b",
        "0x1F",
        "1e3",
        "yes",
        "012",
        "1_000",
        "2024-01-01",
        "12:30",
        "é",
        "\t",
    ),
)


def shape(value: Any, *, keys: bool) -> Any:
    """A value with all places that an edit looks at."""
    if not isinstance(value, (Map, Seq)):
        return type(value), value
    leaf, literal = leaf_of(value), leaf_of(value).style in ("|", ">")
    place = (value.start.index, None if value.flow else value.start.column, leaf.end, leaf.start == leaf.end)
    own = (type(value), value.flow, place, literal and leaf.column)
    if isinstance(value, Map):
        marks = value.keys_at if keys and not value.flow else None
        return own, marks, [(key, shape(each, keys=keys)) for key, each in value.items()]
    return own, [shape(each, keys=keys) for each in value]


def agrees(text: str, *, keys: bool) -> bool:
    """Whether the quick reader took the text; what it takes must be what the parser reads."""
    quick = quick_parse(text, keys=keys)
    if quick is None:
        return False
    try:
        slow = parse(text, keys=keys)
    except YamlError as error:
        raise AssertionError(f"the parser refuses it: {error}") from None
    assert [shape(each, keys=keys) for each in quick] == [shape(each, keys=keys) for each in slow]
    return True


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize("text", WRITTEN, ids=range(len(WRITTEN)))
def test_what_tools_write_is_read_alike(text: str, keys: bool) -> None:
    agrees(text, keys=keys)


def test_most_of_what_tools_write_needs_no_parser() -> None:
    assert sum(agrees(text, keys=False) for text in WRITTEN) > len(WRITTEN) * 0.7
    assert agrees(resource_list(3).decode(), keys=False)


@st.composite
def mutated(draw: Any) -> str:
    text: str = draw(st.sampled_from(WRITTEN))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        if draw(st.booleans()):
            start = text.rfind("\n", 0, start) + 1
        end = min(len(text), start + draw(st.sampled_from([0, 0, 0, 1, 2, 5, 20])))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


@given(mutated(), st.booleans())
@settings(max_examples=1500, deadline=None)
def test_whatever_it_takes_the_parser_reads_alike(text: str, keys: bool) -> None:
    agrees(text, keys=keys)


@pytest.mark.parametrize(
    "text",
    [
        "a: b # c\n",
        "# c\na: b\n",
        "a: &x b\n",
        "a: *x\n",
        "a: !x b\n",
        "a: {b: c}\n",
        "a: b\n  c\n",
        "a: b\n  - c\n",
        "a: |\n\n  b\n",
        "a: |\n  b\n\n",
        "a: >\n  b\n",
        "a: |2\n  b\n",
        'a: "\\n"\n',
        "a: 'b\n",
        "a: -\n",
        "a: b: c\n",
        "a: b\na: c\n",
        "- a\n",
        "a\n",
        "a:\n- - b\n",
        "a:\n-\n",
        "<<: {}\n",
        "a: b",
        "a: b\r\n",
        "a:\tb\n",
        "é: b\n",
        " a: b\n",
        "a: b\n c: d\n",
        "a:\n  b: c\n d: e\n",
        "--- a\n",
        "a: b\n---\n---\nc: d\n",
        "a: b\n...\n",
        "a: b \n",
        "\na: b\n",
        "",
    ],
)
def test_what_it_leaves_to_the_parser(text: str) -> None:
    assert quick_parse(text) is None
