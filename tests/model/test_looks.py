"""Whoever looks often must not be fooled often."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from helm_safe.model.looks import GROWTH, WRONG_STOPS, Looks, alpha_of
from helm_safe.model.proportions import binomial_tail


@given(st.lists(st.floats(0, 1e6), max_size=60), st.booleans())
def test_all_looks_together_spend_no_more_than_the_whole(samples: list[float], last: bool) -> None:
    looks = Looks(0.01)
    assert sum(looks.due(each, last=last) for each in samples) < 0.01


def test_a_look_is_due_when_there_is_news() -> None:
    """After a third more samples, or before a step is passed; never twice for the same."""
    looks = Looks(0.01)
    assert looks.due(0) == 0
    assert looks.due(10) == 0.005
    assert looks.due(10 * GROWTH - 0.1) == 0
    assert looks.due(12, last=True) == 0.01 / 6
    assert looks.due(12, last=True) == 0
    looks.restart()
    assert looks.due(3) == 0.01 / 12


def test_a_run_spends_one_chance() -> None:
    assert 7 * 5 * alpha_of(7, 5) <= WRONG_STOPS * 1.0001


def test_looking_for_minutes_does_not_stop_what_is_at_its_floor() -> None:
    """A service that fails exactly as often as it may, looked at every four seconds for a quarter of an hour: tested at
    each look as if it were the only one, many runs are stopped; so hardly one."""
    stopped = {"naive": 0, "spending": 0}
    for seed in range(150):
        source, looks = random.Random(seed), Looks(0.01)
        requests, errors, fell = 0, 0, set()
        for _ in range(225):
            requests, errors = requests + 8, errors + sum(source.random() < 0.01 for _ in range(8))
            tail = binomial_tail(errors, requests, 0.01)
            fell |= {"naive"} if tail < 0.01 else set()
            fell |= {"spending"} if tail < looks.due(requests) else set()
        for each in fell:
            stopped[each] += 1
    assert stopped["naive"] > 4
    assert stopped["spending"] <= 1
