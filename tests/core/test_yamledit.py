"""Additions to YAML texts: the value is there, and every other character is where it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helm_safe.core import yamlio, yamltext
from helm_safe.core.yamledit import Edits, NoPlace
from helm_safe.core.yamlio import YamlError, load_all
from helm_safe.core.yamltext import Map, Seq, entries, parse

PROBE = {
    "tcpSocket": {"port": "08"},
    "list": ["1e3", {"a": None}],
    "n": 1,
    "t": "a\n b\n\n",
    "e": {},
    "f": [],
    "x": "\x7f\u2028🎉\ufeff",
}


def maps(value: Any) -> Iterator[Map]:
    if isinstance(value, Map):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from maps(each)


def lists(value: Any) -> Iterator[Seq]:
    if isinstance(value, Seq):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from lists(each)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


def add_everywhere(text: str, *, sort: bool = False, key: str = "newKey") -> tuple[str, Any]:
    """A key into every mapping and a value into every list that has a place; the text, and what it must mean."""
    documents = parse(text, keys=sort)
    edits = Edits(text, sort=sort)
    for owner in [owner for document in documents for owner in maps(document)]:
        try:
            edits.add(owner, key, copy.deepcopy(PROBE))
        except NoPlace:
            assert owner.start is None or text[owner.start.index] != "{"
    for each in [each for document in documents for each in lists(document)]:
        if each.start is not None:
            edits.append(each, {"x": "y"})
    return edits.apply(), documents


ODD = [
    "a: 1",
    "a: 1\n",
    "a:\n  b: c",
    "a:\r\n  b: c\r\nd:\r\n- e: f\r\n- g\r\n",
    "a: |\n  text\nb: 1\n",
    "b: 1\na: |\n  text\n",
    "b: 1\na: |\n  text",
    "b: 1\na: |-\n  text\n\n\n# remark\n",
    "b: 1\na: |+\n  text\n\n\n",
    "x:\n- a: |+\n    text\n\n\n- b\n",
    "x:\n- a: >\n    text\n    more\n\n  # remark\n  b: 1\n",
    "x:\n  - a: 'q\n\n      r'  # remark\n  -   b: \"s\n t\"\n",
    "x:\n  a:\n  b:\nz:\n",
    "x:\n-\n- a:\n-   b:\n",
    "- - - a: 1\n    - b: 2\n  - c\n",
    "{}",
    "{a: {}, b: [], c: {d: }, e}",
    '{\n  "a": 1,\n  "b": [\n    {"c": 2}\n  ]\n}\n',
    "a: {b: 1,\n  c: 2,}\nd: [ e, f,\n  ]\n",
    "a: [b: 1, c: 2]\n",
    "? a\n: b\n? c\n: d: e\n",
    "? a\n? b\nc: d\n",
    "- ? a\n\n# far below\n- b\n",
    "a: !!map {b: 1}\nc: !!str 1\nd: !!null\ne: &x\n  f: 1\n",
    "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 1\n",
    "a: b # remark\n# another\nc:\n  d: e\n  # belongs to c\n# belongs to nobody\nf: g\n",
    "a:\n  b: 1\n  # one\n\n  # two\n\n\nc: 1\n",
    "--- {a: 1}\n--- \nb: 2\n...\n---\n- c: 3\n...\n# end\n",
    "%YAML 1.1\n---\na: 1\n",
    "a: emoji 🎉 here\n🎉: {b: 🎉}\nc: é\n",
    "a: 'it''s'\nb: \"\\u00e9 \\\"x\\\"\"\n",
    "a: plain\n  over\n  lines\nb:\n  c: d\n   e\n",
    "a:\tb\nc:\n- \td: e\n",
    "\ufeffa: 1\n",
    "a: 1\u2028b: 2\n",
    "a:\n  - b\n  -\n    c: d\n    e:\n      - f: |2-\n           g\n",
]


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("text", ODD)
def test_what_is_added_is_there_and_nothing_else_changes(text: str, sort: bool) -> None:
    try:
        before = load_all(text)
    except YamlError:
        with pytest.raises(YamlError):
            parse(text)
        return
    assert json.dumps(parse(text)) == json.dumps(before)
    output, meant = add_everywhere(text, sort=sort)
    assert parse(output) == meant
    assert load_all(output) == meant
    assert is_subsequence(text, output)


def test_no_addition_no_change() -> None:
    for text in ODD:
        assert Edits(text).apply() == text


@pytest.mark.parametrize("pure", [False, True])
def test_both_parsers_put_it_at_the_same_place(monkeypatch: pytest.MonkeyPatch, pure: bool) -> None:
    """The parser of libyaml and the one in Python mark the same places, emoji and all."""
    if pure:
        for module in (yamlio, yamltext):
            monkeypatch.setattr(module, "Loader", yaml.SafeLoader)
    for text in ("a: 🎉\nb:\n  c: |\n    d\n", "{a: 🎉, b: {c: d}}", "- a: 1\n- b: [1]\n"):
        output, meant = add_everywhere(text)
        assert load_all(output) == meant


def test_entries_of_a_mapping() -> None:
    text = "x:\n- a: 1 # r\n  'b': {c: d}\n  ? e\n  : [f]\n  g: |\n    h: i\n  j: k\n"
    owner = parse(text)[0]["x"][0]
    assert [(each.name, text[each.start : each.end]) for each in entries(text, owner, len(text))] == [
        ("a", "a: 1"),
        ("b", "'b': {c: d}"),
        ("e", "e\n  : [f]"),
        ("g", "g: |\n    h: i\n"),
        ("j", "j: k"),
    ]


def test_sorted_keys_stay_sorted() -> None:
    text = "b:\n  x: 1\nd: |\n  t\nf: 1\n"
    edits = Edits(text, sort=True)
    document = parse(text, keys=True)[0]
    for key in "gaec":
        edits.add(document, key, {"z": 1, "k": 2})
    expected = "".join(f"{key}:\n  k: 2\n  z: 1\n" for key in "a")
    expected += "b:\n  x: 1\nc:\n  k: 2\n  z: 1\nd: |\n  t\ne:\n  k: 2\n  z: 1\nf: 1\ng:\n  k: 2\n  z: 1\n"
    assert edits.apply() == expected


def test_a_remark_stays_above_its_key() -> None:
    text = "b: 1\n# about d\nd: 1\n"
    edits = Edits(text, sort=True)
    edits.add(parse(text, keys=True)[0], "c", 1)
    assert edits.apply() == text + "c: 1\n"


@pytest.mark.parametrize("text", ["a: &x {b: 1}\nc: *x\n", "a: &x {b: {c: 1}}\nd: {<<: *x}\n"])
def test_what_an_alias_repeats_is_not_edited(text: str) -> None:
    document = parse(text)[0]
    for owner in list(maps(document))[1:3]:
        if owner.start is None:
            with pytest.raises(NoPlace):
                Edits(text).add(owner, "k", 1)
            return
    raise AssertionError("nothing was shared")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - image: a\n    image: b", "'image' stands twice"),
        ("a: {b: 1, 'b': 2}", "'b' stands twice in a"),
        ("a: &a [*a]", "unfinished"),
        ("<<: 1", "merge"),
        ("? [a]\n: b", "key"),
        ("[" * 500, "deeper"),
        ("a: &a [" + "x," * 999 + "]\nb: [" + "*a," * 300 + "]", "too many"),
        ("\x00", "."),
        ("\ud800", "."),
        ("a: [", "."),
    ],
)
def test_what_cannot_be_read_is_an_error_with_a_place(text: str, problem: str) -> None:
    with pytest.raises(YamlError, match=problem):
        parse(text)


def test_an_error_names_object_and_path() -> None:
    text = "items:\n- kind: Pod\n  metadata: {name: web}\n  spec:\n    containers:\n    - image: a\n      image: b\n"
    with pytest.raises(YamlError, match=r"line 7, .*in items\[0\]\.spec\.containers\[0\] of Pod/web"):
        parse(text)


def test_nested_aliases_do_not_add_up() -> None:
    lines = ["n0: &n0 " + "[" * 40 + "]" * 40]
    lines += [f"n{i + 1}: &n{i + 1} " + "[" * 40 + f"*n{i}" + "]" * 40 for i in range(3)]
    with pytest.raises(YamlError, match="deeper"):
        parse("\n".join(lines))


def test_a_text_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "MAX_SIZE", 10)
    with pytest.raises(YamlError, match="longer"):
        parse("a: 34567890")


TEXT = st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff")  # what YAML takes unescaped
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.text(TEXT, max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abyn01.~-é", max_size=3), inner, max_size=3),
    max_leaves=12,
)
STYLES = st.sampled_from(
    [
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value, indent=3, ensure_ascii=False),
        yamlio.dump,
        lambda value: yaml.dump(value, Dumper=yamlio._Dumper, default_flow_style=None, allow_unicode=True, width=20),
        lambda value: yaml.dump(value, Dumper=yamlio._Dumper, default_style='"', width=30, indent=5),
        lambda value: yaml.dump(value, Dumper=yamlio._Dumper, default_flow_style=True, explicit_start=True),
    ]
)


@given(VALUES, STYLES, st.booleans(), st.sampled_from(["newKey", "a0", "~"]))
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_style(value: Any, style: Any, sort: bool, key: str) -> None:
    text = style(value)
    if any(key in owner for document in parse(text) for owner in maps(document)):
        return
    output, meant = add_everywhere(text, sort=sort, key=key)
    assert parse(output) == meant
    assert is_subsequence(text, output)


@given(st.text("[]{}:,-&*!|>'\"%@#? \n\tab01<~\r\u2028🎉", max_size=60))
@example("-\u2028>")
@settings(max_examples=300, deadline=None)
def test_any_text_is_refused_or_edited_rightly(text: str) -> None:
    try:
        parse(text)
    except YamlError:
        return
    output, meant = add_everywhere(text)
    assert parse(output) == meant
    assert is_subsequence(text, output)


CHANGES: list[tuple[str, str]] = [
    ("a: 1 # r\nb: 2\n", "a: NEW # r\nb: 2\n"),
    ("a: |\n  t\nb: 2\n", "a: NEW\nb: 2\n"),
    ("a:\n  c: d # r\n# about b\nb: 2\n", "a: NEW # r\n# about b\nb: 2\n"),
    ("a:\nb: 2\n", "a: NEW\nb: 2\n"),
    ("{a: 1, b: 2}", "{a: NEW, b: 2}"),
    ('{"a": {"x": 1}, "b": 2}', '{"a": "NEW", "b": 2}'),
]


@pytest.mark.parametrize(("text", "expected"), CHANGES)
def test_a_value_is_exchanged_and_nothing_else(text: str, expected: str) -> None:
    edits = Edits(text)
    edits.replace(parse(text)[0], "a", "NEW")
    assert edits.apply() == expected


REMOVALS: list[tuple[str, str]] = [
    ("a: 1 # r\nb: 2\n", "b: 2\n"),
    ("b: 2\n# about a\na: |\n  t\n\nc: 3\n", "b: 2\n# about a\nc: 3\n"),
    ("b: 2\na:\n  c: d # r", "b: 2\n"),
    ("a: 1", "{}"),
    ("{b: 1, a: 2}", "{b: 1}"),
    ("{ a: 2, b: 1 }", "{ b: 1 }"),
    ("{ b: 1, a: 2, c: 3 }", "{ b: 1, c: 3 }"),
    ("{a: 1}", "{}"),
]


@pytest.mark.parametrize(("text", "expected"), REMOVALS)
def test_a_key_is_taken_out_and_nothing_else(text: str, expected: str) -> None:
    edits = Edits(text)
    edits.remove(parse(text)[0], "a")
    assert edits.apply() == expected


def test_the_first_key_behind_a_dash() -> None:
    text = "- a: 1\n  # about b\n  b: 2\n- a: 1\n"
    edits = Edits(text)
    for owner in parse(text)[0]:
        edits.remove(owner, "a")
    assert edits.apply() == "- b: 2\n- {}\n"


def test_what_was_changed_inside_goes_with_it() -> None:
    text = "a:\n  b:\n    c: 1\nd: 1\n"
    edits, document = Edits(text), parse(text)[0]
    edits.add(document["a"]["b"], "x", 1)
    edits.replace(document["a"], "b", {"k": 2})
    edits.replace(document["a"]["b"], "k", 3)
    edits.add(document, "new", 1)
    edits.replace(document, "new", 2)
    edits.add(document, "gone", 1)
    edits.remove(document, "gone")
    assert edits.apply() == "a:\n  b:\n    k: 3\nd: 1\nnew: 2\n"


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "? a\n: 1\n", "z: &z {a: 1}\ny: {<<: *z, a: 2}\n"])
def test_what_cannot_be_exchanged_where_it_stands(text: str) -> None:
    document = parse(text)[0]
    with pytest.raises(NoPlace):
        Edits(text).replace(document.get("y", document), "a", 1)


@given(VALUES, STYLES, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_changes_in_any_style(value: Any, style: Any, sort: bool, random: Any) -> None:
    text = style(value)
    documents = parse(text, keys=sort)
    edits = Edits(text, sort=sort)
    for owner in [owner for document in documents for owner in maps(document)]:
        if owner.start is None or all(owner is not each for document in documents for each in maps(document)):
            continue
        for key in list(owner):
            choice = random.choice(["keep", "replace", "remove", "add"])
            try:
                if choice == "replace":
                    edits.replace(owner, key, copy.deepcopy(random.choice([PROBE, "a: b", [], ["x"], 1])))
                elif choice == "remove":
                    edits.remove(owner, key)
                elif choice == "add":
                    edits.add(owner, f"{key}{len(owner)}!", random.choice([1, {"x": []}]))
            except NoPlace:
                assert "&" in text or "?" in text or "!" in text
            except KeyError:
                continue
    output = edits.apply()
    assert parse(output) == documents, output
