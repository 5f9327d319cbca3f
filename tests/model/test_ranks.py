"""The rank test against published tables and examples, and against counting by hand."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.model.ranks import EXACT, classes, mann_whitney

# Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the other", Annals
# of Mathematical Statistics 18 (1947), table I: P(U <= u) for n = 4, m = 1..4.
TABLE = {
    1: [0.200, 0.400, 0.600],
    2: [0.067, 0.133, 0.267, 0.400, 0.600],
    3: [0.028, 0.057, 0.114, 0.200, 0.314, 0.429, 0.571],
    4: [0.014, 0.029, 0.057, 0.100, 0.171, 0.243, 0.343, 0.443, 0.557],
}


def arranged(n: int, m: int, u: int) -> tuple[list[float], list[float]]:
    """Two groups of n and m different values in which the first is larger in n * m - u pairs."""
    for chosen in combinations(range(n + m), n):
        others = [each for each in range(n + m) if each not in chosen]
        if sum(a < b for a, b in product(chosen, others)) == u:
            return [float(each) for each in chosen], [float(each) for each in others]
    raise AssertionError


@pytest.mark.parametrize(("m", "u"), [(m, u) for m, row in TABLE.items() for u in range(len(row))])
def test_small_groups_have_the_published_values(m: int, u: int) -> None:
    assert mann_whitney(*classes(*arranged(4, m, u))).p == pytest.approx(TABLE[m][u], abs=6e-4)


def test_the_examples_of_r() -> None:
    """`wilcox.test` of R, example(wilcox.test): W = 35, p = 0.1272; ozone in May and August: W = 127.5, two-sided p =
    0.0001208, tied and corrected for continuity."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    weeks = [1.15, 0.88, 0.90, 0.74, 1.21]
    found = mann_whitney(*classes(term, weeks))
    assert found.p == pytest.approx(0.1272, abs=5e-5)
    assert found.effect * 50 == pytest.approx(35)
    may = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
    august = [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85]
    found = mann_whitney(*classes(august, may))
    assert 2 * found.p == pytest.approx(0.0001208, rel=1e-3)
    assert found.effect * 26 * 26 == pytest.approx(26 * 26 - 127.5)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_ties_are_counted_exactly(one: list[int], other: list[int]) -> None:
    """Against every way to choose which values are the first group's."""

    def u(mine: list[int], theirs: list[int]) -> float:
        return sum((a > b) + (a == b) / 2 for a, b in product(mine, theirs))

    values = one + other
    ways = [
        u([values[each] for each in chosen], [v for each, v in enumerate(values) if each not in chosen])
        for chosen in combinations(range(len(values)), len(one))
    ]
    expected = sum(each >= u(one, other) for each in ways) / len(ways)
    found = mann_whitney(*classes(one, other))
    assert found.p == pytest.approx(expected)
    assert found.effect == pytest.approx(u(one, other) / (len(one) * len(other)))


def test_the_approximation_joins_the_exact_values() -> None:
    """Where one takes over from the other nothing jumps."""
    one, other = [float(2 * each + 3) for each in range(12)], [float(2 * each) for each in range(12)]
    assert len(one) + len(other) == EXACT
    exact = mann_whitney(*classes(one, other)).p
    approximate = mann_whitney(*classes([*one, 14.5], [*other, 12.5])).p
    assert exact == pytest.approx(approximate, rel=0.15)


def test_nothing_to_compare_tells_nothing() -> None:
    assert mann_whitney([0, 0], [3, 4]) == (1.0, 0.5)
    assert mann_whitney([50], [50]).p == 1.0
