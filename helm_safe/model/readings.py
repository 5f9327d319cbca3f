"""The judge of the user's own metrics: bounds for the median of the readings, and ranks beside the current version.

Readings that follow closely are no news: the same one is counted once, those that look back over the same seconds are
thinned to one per window, and for the test whatever is still alike from one to the next is thinned further.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from helm_safe.model.gates import GateState
from helm_safe.model.machine import Verdict
from helm_safe.model.proportions import binomial_tail
from helm_safe.model.queries import Query
from helm_safe.model.ranks import LARGE, classes, mann_whitney
from helm_safe.model.traffic import Reading

SPACING = 3.9
"""Seconds that lie between two readings at least: looks come every four."""
OUT = 0.01
"""A median is out of its bounds once a sign test says so at this level: 7 of 7 readings, 10 of 11."""
SHIFTED = 0.1
"""Smallest difference of the medians that matters, as a share of the other's: ranks know nothing of sizes."""


def gathered(known: Sequence[Reading], new: Sequence[Reading], after: float) -> list[Reading]:
    """All readings later than `after`, each moment once, oldest first; what is no number is none."""
    found = {each.at: each for each in (*known, *new) if each.at > after and math.isfinite(each.value)}
    return [found[at] for at in sorted(found)]


def thinned(readings: Sequence[Reading], spacing: float) -> list[float]:
    """The values of readings that lie at least `spacing` seconds apart."""
    values, last = [], -math.inf
    for each in readings:
        if each.at - last >= spacing:
            values.append(each.value)
            last = each.at
    return values


def judge_readings(
    query: Query, judged: Sequence[Reading], other: Sequence[Reading] | None, *, alpha: float
) -> GateState:
    """Judge what came since the step began.

    other: readings of the current version in the same time, None where there is nobody to compare with. alpha: what the
    comparison may spend now.
    """
    values, step = thinned(judged, SPACING), _cadence(judged)
    if not values:
        words = f"{query.name}: no reading since the step began, {query.readings} are needed"
        return _state(query, Verdict.INCONCLUSIVE, words, values, step)
    found = median(values)
    outside = _outside(query, values)
    if outside and binomial_tail(outside, len(values), 0.5) < OUT:
        return _state(query, Verdict.FAIL, f"{query.name} is {_told(found)}, {_bounds(query)}", values, step)
    beside = worse_beside(query, judged, other, alpha) if other and query.compared else ""
    if beside:
        state = _state(query, Verdict.FAIL, f"{query.name} is {_told(found)}, {beside}", values, step)
        return state._replace(worse=True)
    if len(values) < query.readings:
        words = f"{query.name} is {_told(found)}: {len(values)} of {query.readings} readings"
        return _state(query, Verdict.INCONCLUSIVE, words, values, step)
    if _out(query, found):
        words = f"{query.name} is {_told(found)}, {_bounds(query)}, which may be chance: more readings must tell"
        return _state(query, Verdict.INCONCLUSIVE, words, values, step)
    if query.compared and other is not None and not other:
        words = f"{query.name} is {_told(found)}: the current version has no reading to compare with"
        return _state(query, Verdict.INCONCLUSIVE, words, values, step)
    compared = ", not worse than the current version" if other and query.compared else ""
    return _state(query, Verdict.PASS, f"{query.name} is {_told(found)}{compared}", values, step)


def worse_beside(query: Query, judged: Sequence[Reading], other: Sequence[Reading], alpha: float) -> str:
    """How it is worse beyond chance and by enough to matter, "" where it is not."""
    spacing = max(SPACING, query.window)
    mine, theirs = (_news(thinned(each, spacing)) for each in (judged, other))
    if not mine or not theirs or alpha <= 0:
        return ""
    sign = 1 if query.worse == "higher" else -1
    found = mann_whitney(*classes([sign * each for each in mine], [sign * each for each in theirs]))
    here, there = median(mine), median(theirs)
    matters = found.effect >= LARGE and sign * (here - there) > SHIFTED * abs(there)
    return f"with the current version {_told(there)}" if matters and found.p < alpha else ""


def _news(values: Sequence[float]) -> Sequence[float]:
    """Every n-th value, so that neighbours are hardly alike: n from the autocorrelation at lag 1, as for an AR(1)."""
    centre = fmean(values) if values else 0.0
    spread = sum((each - centre) ** 2 for each in values)
    if len(values) < 4 or spread <= 0:
        return values
    together = sum((a - centre) * (b - centre) for a, b in pairwise(values))
    alike = min(max(together / spread, 0.0), 0.95)
    return values[:: max(1, math.floor((1 + alike) / (1 - alike)))]


def _cadence(readings: Sequence[Reading]) -> float:
    """Seconds from one reading to the next."""
    between = (readings[-1].at - readings[0].at) / (len(readings) - 1) if len(readings) > 1 else 0.0
    return max(between, SPACING)


def _outside(query: Query, values: Sequence[float]) -> int:
    """Readings beyond the bound that more of them break."""
    below = sum(query.least is not None and each < query.least for each in values)
    return max(below, sum(query.most is not None and each > query.most for each in values))


def _out(query: Query, value: float) -> bool:
    return _outside(query, [value]) > 0


def _bounds(query: Query) -> str:
    told = [f"at least {_told(query.least)} is wanted"] if query.least is not None else []
    told += [f"at most {_told(query.most)} is allowed"] if query.most is not None else []
    return " and ".join(told)


def _state(query: Query, verdict: Verdict, words: str, values: Sequence[float], step: float) -> GateState:
    bound = query.most if query.most is not None else query.least
    waits = query.window if not values else 0.0
    missing = max(query.readings - len(values), 0)
    eta = missing * step + waits if missing else None if verdict is Verdict.INCONCLUSIVE else 0.0
    value = median(values) if values else None
    return GateState(query.name, verdict, words, value, bound, len(values), query.readings, eta)


def _told(value: float) -> str:
    return f"{value:.4g}"
