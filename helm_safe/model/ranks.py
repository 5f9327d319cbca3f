"""The Mann–Whitney U test: whether the values of one group tend to be larger than those of another, and by how much.

By hand, because SciPy is 120 MB and the standard library has no rank test; checked against published tables. Values
come as counts per class, the lowest class first, so that a histogram is compared as it is and ties are met everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

EXACT = 24
"""Values in both groups up to which every arrangement is counted; above, the normal approximation is close."""

LARGE = 0.75
"""Effect from which a difference matters: three of four values are larger. Cliff's delta is 0.5 then, which Romano
(2006) calls large from 0.474 on."""


class Ranked(NamedTuple):
    """p: how likely the first group lies so high by chance alone, one-sided.

    effect: 0..1, how often a value of the first is larger than one of the second, ties counted half; 0.5 is no
    difference (common-language effect size; Cliff's delta is 2 * effect - 1).
    """

    p: float
    effect: float


def mann_whitney(one: Sequence[int], other: Sequence[int]) -> Ranked:
    """Compare two groups by their counts per class. Without values on one side nothing is told: p is 1."""
    n, m = sum(one), sum(other)
    if not n or not m:
        return Ranked(1.0, 0.5)
    doubled = _doubled(one, other)
    totals = [a + b for a, b in zip(one, other, strict=True)]
    p = _exact(totals, n, doubled) if n + m <= EXACT else _normal(totals, n, m, doubled / 2)
    return Ranked(p, doubled / 2 / (n * m))


def classes(one: Sequence[float], other: Sequence[float]) -> tuple[list[int], list[int]]:
    """Single values as counts per class: every distinct value is one."""
    values = sorted({*one, *other})
    return [one.count(each) for each in values], [other.count(each) for each in values]


def _doubled(one: Sequence[int], other: Sequence[int]) -> int:
    """Twice the U of the first group: pairs in which its value is larger, ties counted once."""
    below, doubled = 0, 0
    for mine, theirs in zip(one, other, strict=True):
        doubled += mine * (2 * below + theirs)
        below += theirs
    return doubled


def _exact(totals: Sequence[int], n: int, doubled: int) -> float:
    """P(U is at least so large), given the ties, over all ways to choose which `n` values are the first group's."""
    ways: dict[tuple[int, int], int] = {(0, 0): 1}  # (values of the first group so far, twice their U) -> arrangements
    seen = 0
    for size in totals:
        further: dict[tuple[int, int], int] = {}
        for (chosen, u), count in ways.items():
            for mine in range(min(size, n - chosen) + 1):
                key = (chosen + mine, u + mine * (2 * (seen - chosen) + size - mine))
                further[key] = further.get(key, 0) + count * math.comb(size, mine)
        ways, seen = further, seen + size
    return sum(count for (chosen, u), count in ways.items() if chosen == n and u >= doubled) / math.comb(seen, n)


def _normal(totals: Sequence[int], n: int, m: int, u: float) -> float:
    """The normal approximation, corrected for ties and for continuity."""
    size = n + m
    tied = sum(each**3 - each for each in totals)
    variance = n * m / 12 * (size + 1 - tied / (size * (size - 1)))
    if variance <= 0:
        return 1.0
    return 1 - NormalDist().cdf((u - n * m / 2 - 0.5) / math.sqrt(variance))
