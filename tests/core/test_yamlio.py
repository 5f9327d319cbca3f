"""The one YAML reader: Helm's meaning of scalars, and an end to bombs."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helm_safe.core import yamlio
from helm_safe.core.yamlio import YamlError, dump, load, load_all

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("~", None),
        ("''", ""),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("+5", 5),
        ("-0x10", -16),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("08", 8.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("1" * 500, "1" * 500),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("8080:80", "8080:80"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ('!!int "7"', 7),
        ("=", "="),
        ("- - 1\n  - 2", [[1, 2]]),
        ("1: a\ntrue: b\n~: c", {"1": "a", "true": "b", "null": "c"}),
        ("a: 1\na: 2", {"a": 2}),
        ("b: &b {x: 1, y: 2}\nc:\n  <<: *b\n  x: 3", {"b": {"x": 1, "y1": 2}, "c": {"x": 3}}),
    ],
)
def test_scalars_mean_what_they_mean_to_helm(text: str, value: Any) -> None:
    if "<<" in text:
        # `y` as a key is a boolean to Helm's parser, and keys are text.
        value = {"b": {"x": 1, "true": 2}, "c": {"x": 3, "true": 2}}
    assert load(text) == value


def test_documents_come_in_order_and_empty_ones_are_none() -> None:
    assert load_all("a: 1\n---\n---\n# only a comment\n---\nb: 2\n") == [{"a": 1}, None, None, {"b": 2}]
    assert load_all("") == []
    assert load("") is None
    with pytest.raises(YamlError, match="2 documents"):
        load("a\n---\nb")


def test_aliases_are_copies() -> None:
    loaded = load("a: &x {k: [1]}\nb: *x")
    loaded["a"]["k"].append(2)
    assert loaded["b"] == {"k": [1]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 60000, "deeper|nesting depth"),  # newer parsers refuse it themselves
        ("- " * 60000, "deeper"),
        ("{a: " * 60000, "deeper"),
        (BOMB, "too many"),
        ("a: &a [1]\nb: [" + "*a," * 10001 + "]", "too many"),
        ("a: &a [*a]", "unfinished"),
        ("a: *b", "unknown"),
        ("? [a]\n: b", "key"),
        ("a: [1", "."),
        ("a: b: c", "."),
        ("\x00", "."),
        ("\ud800", "."),
        ("a: 'open", "."),
        ("%YAML 9.9.9\n---\na", "."),
        ("<<: 1", "merge"),
        ("\ta: b", "."),
    ],
)
def test_what_cannot_be_read_is_an_error_with_a_place(text: str, problem: str) -> None:
    with pytest.raises(YamlError, match=problem) as caught:
        load_all(text)
    assert len(str(caught.value)) < 300


def test_nested_aliases_do_not_add_up_to_depth() -> None:
    names = [f"n{i}" for i in range(4)]
    lines = [f"{names[0]}: &{names[0]} " + "[" * 40 + "]" * 40]
    lines += [f"{b}: &{b} " + "[" * 40 + f"*{a}" + "]" * 40 for a, b in pairwise(names)]
    with pytest.raises(YamlError, match="deeper"):
        load("\n".join(lines))


def test_problems_do_not_quote_the_text() -> None:
    """A manifest holds secrets; the error goes to logs."""
    with pytest.raises(YamlError) as caught:
        load("password: 'hunter2-canary\nb: c")
    assert "hunter2" not in str(caught.value)
    assert caught.value.line


def test_a_text_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "MAX_SIZE", 10)
    with pytest.raises(YamlError, match="longer"):
        load("a: 34567890")


def test_the_interpreter_survives_what_kills_the_c_parser() -> None:
    """yaml.CSafeLoader ends the process with a segmentation fault on this text."""
    script = "from helm_safe.core.yamlio import *\ntry: load('['*200000)\nexcept YamlError: print('refused')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yamlio.Loader])
def test_both_parsers_agree(monkeypatch: pytest.MonkeyPatch, loader: Any) -> None:
    monkeypatch.setattr(yamlio, "Loader", loader)
    assert load("a: [1, {b: &x yes}]\nc: *x\nd: |\n  t\n") == {"a": [1, {"b": True}], "c": True, "d": "t\n"}
    with pytest.raises(YamlError):
        load("[" * 1000)


AWKWARD = ["1e3", "0o17", "08", "y", "n", "on", "1:30", "2024-01-01", "", "~", "<<", "=", "null", "x\ny\n", " x\n"]
AWKWARD += [
    "a\n\n",
    "tab\t\n",
    "#a",
    "a: b",
    "🎉",
    "-",
    "1_0",
    "\x1b[31m",
    " ",
    "\n",
    "a\r\nb",
    "x\x85y",
    "\u2028",
    "'",
    '"',
]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_stays_text_for_every_reader(text: str) -> None:
    """What is dumped reads back alike here and in a YAML 1.1 reader."""
    dumped = dump({"k": [text], "n": text})
    assert load(dumped) == yaml.safe_load(dumped) == {"k": [text], "n": text}


def test_values_keep_order_and_repeat_without_anchors() -> None:
    shared = {"z": 1, "a": 2}
    assert dump({"b": shared, "a": shared}) == "b:\n  z: 1\n  a: 2\na:\n  z: 1\n  a: 2\n"


@pytest.mark.parametrize("value", [object(), {"a": {1, 2} and object()}, "\ud800"])
def test_what_cannot_be_written_is_an_error(value: Any) -> None:
    with pytest.raises(YamlError):
        dump(value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abyn01.~-", max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_round_trip(value: Any) -> None:
    assert load(dump(value)) == value


@given(
    st.text(st.characters(exclude_categories=[]), max_size=80) | st.text("[]{}:,-&*!|>'\"%@#? \n\tab01<~", max_size=80)
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_and_is_json(text: str) -> None:
    with suppress(YamlError):
        json.dumps(load_all(text), allow_nan=False)
