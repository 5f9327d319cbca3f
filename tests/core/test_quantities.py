"""Quantities, durations and int-or-percent values."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.core.quantities import (
    int_or_percent,
    nanos,
    parse_duration,
    quantity,
    same_duration,
    same_quantity,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500m", 0.5),
        ("2", 2),
        (2, 2),
        (0.5, 0.5),
        ("1Gi", 1024**3),
        ("1.5Ki", 1536),
        ("1k", 1000),
        ("2e3", 2000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("5e-1", 0.5),
        (".5", 0.5),
        ("1.", 1),
        ("+3", 3),
        ("-250m", -0.25),
        ("100n", 1e-7),
    ],
)
def test_quantities_read_as_kubernetes_reads_them(text: object, expected: float) -> None:
    assert quantity(text) == pytest.approx(expected)


def test_what_is_smaller_than_a_billionth_is_rounded_up() -> None:
    assert nanos("0.0000000001") == 1


@pytest.mark.parametrize(
    "text",
    ["", ".", "m", "1 Gi", "1gi", "1mi", "Gi", "1e", "1e999", "--1", "٣", None, True, [1], {}, "1" * 65, float("nan")],
)
def test_what_is_no_quantity_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError):
        nanos(text)


def test_other_spellings_are_the_same_quantity() -> None:
    assert same_quantity("1000m", 1)
    assert same_quantity("1Gi", "1024Mi")
    assert not same_quantity("1G", "1Gi")
    assert not same_quantity("a", "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60s", 60), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("300ms", 0.3), ("0", 0), ("-2s", -2), ("1m0s", 60)],
)
def test_durations_read_as_go_reads_them(text: str, expected: float) -> None:
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "1h 30m", "1d", "1hm", "-", None, "1h30"])
def test_what_is_no_duration_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


def test_other_spellings_are_the_same_duration() -> None:
    assert same_duration("60s", "1m0s")
    assert not same_duration("60", "60s")


@pytest.mark.parametrize(
    ("value", "up", "expected"),
    [("25%", True, 1), ("25%", False, 0), (2, True, 2), ("2", False, 2), ("100%", False, 3)],
)
def test_percentages_round_as_asked(value: object, up: bool, expected: int) -> None:
    assert int_or_percent(value, 3, round_up=up) == expected


@pytest.mark.parametrize("value", ["%", "-1", "1.5", None, "25 %", True])
def test_what_is_neither_count_nor_percentage_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError):
        int_or_percent(value, 3, round_up=True)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=80), st.lists(st.integers())
)


@given(ANYTHING)
def test_nothing_but_value_error_is_ever_raised(value: object) -> None:
    for read in (nanos, parse_duration, lambda each: int_or_percent(each, 7, round_up=True)):
        with suppress(ValueError):
            read(value)
