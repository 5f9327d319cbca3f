"""Nothing from a cluster acts on the terminal of the reader."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helm_safe.core.printable import printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain näme 🎉", "plain näme 🎉"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;ZXZpbA==\x07", ""),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b\x1b[31m[2Jx", "\\x1b[2Jx"),
        ("ok\rrm -rf", "ok\\rrm -rf"),
        ("one\ntwo", "one\\ntwo"),
        ("a\x00b\x07c", "a\\0b\\x07c"),
        ("\x9b31mred", "\\x9b31mred"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("x\ud800y", "x\\ud800y"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("a\tb", "a    b"),
    ],
)
def test_active_characters_are_dropped_or_spelled_out(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


def test_lines_are_kept_where_they_are_wanted() -> None:
    assert printable("a\r\nb\nc\rd", multiline=True) == "a\nb\nc\\rd"


def test_anything_can_be_shown() -> None:
    assert printable(None) == "None"
    assert printable(b"\x1b") == "b'\\x1b'"


@given(st.text(st.characters(exclude_categories=[]), max_size=200), st.booleans())
@settings(max_examples=500, deadline=None)
def test_no_text_gets_through_with_an_active_character(text: str, multiline: bool) -> None:
    shown = printable(text, multiline=multiline)
    shown.encode()
    left = [character for character in shown if unicodedata.category(character) in ("Cc", "Cs")]
    assert set(left) <= ({"\n"} if multiline else set())
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029")
    assert printable(shown, multiline=multiline) == shown
