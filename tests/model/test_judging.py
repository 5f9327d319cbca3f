"""The judge: floors, comparison, three values; its statistics against published ones."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from functools import reduce
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.model.judging import Floors, decision_words, judge, time_to_decision
from helm_safe.model.machine import Verdict
from helm_safe.model.proportions import binomial_tail, fisher_tail
from helm_safe.model.traffic import Window, joined

FLOORS = Floors()
BOUNDS = (0.1, 0.3, 1.2, 5.0, math.inf)


def served(requests: float, errors: float = 0, *counts: float) -> Window:
    """A window; `counts` answers fell into each bucket of Traefik's defaults, all into the first unless told."""
    parts = counts or (requests - errors,)
    total, buckets = 0.0, []
    for bound, part in zip(BOUNDS, (*parts, *(0,) * (len(BOUNDS) - len(parts))), strict=True):
        total += part
        buckets.append((bound, total))
    return Window(requests, errors, tuple(buckets), 60.0)


# --- statistics ---


@pytest.mark.parametrize(
    ("table", "published"),
    [
        ((3, 4, 1, 4), 17 / 70),  # Fisher's lady tasting tea, 1935
        ((10, 13, 2, 17), 0.0004652),  # Fisher 1935, Johannsen's twins: convicts among monozygotic and dizygotic twins
        ((1, 75, 0, 7425), 0.01),
    ],
)
def test_fisher_has_published_values(table: tuple[int, int, int, int], published: float) -> None:
    """One-sided p as in the literature."""
    assert fisher_tail(*table) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(
    ("errors", "requests", "share", "published"),
    [(51, 235, 1 / 6, 0.02654), (3, 15, 0.1, 0.18406106910639)],
)
def test_binomial_has_published_values(errors: int, requests: int, share: float, published: float) -> None:
    """A die with 51 sixes in 235, and SciPy's manual."""
    assert binomial_tail(errors, requests, share) == pytest.approx(published, rel=1e-3)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_fisher_equals_exact_arithmetic(a: int, b: int, c: int, d: int) -> None:
    """Against whole-number arithmetic for every small table."""
    n, m, k = a + b, c + d, a + c
    ways = sum(comb(n, x) * comb(m, k - x) for x in range(a, min(n, k) + 1) if k - x <= m)
    assert fisher_tail(a, n, c, m) == pytest.approx(float(Fraction(ways, comb(n + m, k))), rel=1e-9)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 99))
def test_binomial_equals_exact_arithmetic(errors: int, requests: int, percent: int) -> None:
    share = Fraction(percent, 100)
    exact = sum(comb(requests, x) * share**x * (1 - share) ** (requests - x) for x in range(errors, requests + 1))
    assert binomial_tail(errors, requests, float(share)) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_huge_counts_stay_probabilities(a: int, b: int, c: int, d: int) -> None:
    assert 0 <= fisher_tail(a % (b + 1), b, c % (d + 1), d) <= 1


# --- verdicts ---


def test_no_data_is_never_a_pass() -> None:
    """Neither without metrics nor without requests."""
    for window in (None, served(0), Window(0, 0)):
        assert judge(window, served(1000), FLOORS).verdict is Verdict.INCONCLUSIVE


def test_the_minimum_is_waited_for() -> None:
    assert judge(served(74), served(1000), FLOORS).verdict is Verdict.INCONCLUSIVE
    assert judge(served(75), served(1000), FLOORS).verdict is Verdict.PASS


def test_clearly_bad_is_told_early() -> None:
    """Ten failures of ten need no minimum; two may be an accident."""
    assert judge(served(10, 10), served(1000), FLOORS).verdict is Verdict.FAIL
    assert judge(served(2, 2), served(1000), FLOORS).verdict is Verdict.INCONCLUSIVE


def test_at_the_floor_more_requests_must_tell() -> None:
    """One of 75 is above 1 %, and no evidence."""
    found = judge(served(75, 1), served(7425), FLOORS)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "chance" in found.sentence


def test_the_floor_holds_whatever_the_current_version_does() -> None:
    """5 % bad beside 40 % bad: better, and still refused; the words say both."""
    found = judge(served(600, 30), served(600, 240), FLOORS)
    assert (found.verdict, found.both_bad) == (Verdict.FAIL, False)
    assert "still not good" in found.sentence


@pytest.mark.parametrize("stable", [5, 30, 100])
def test_both_bad(stable: int) -> None:
    """The target is no better than what it should replace."""
    found = judge(served(600, 600 * stable / 100), served(600, 600 * stable / 100), FLOORS)
    assert found.both_bad
    assert found.sentence.endswith("a rollback does not help")


def test_worse_than_the_current_version_fails_above_the_floor() -> None:
    """A low floor does not excuse a step down."""
    floors = Floors(success_rate=0.9)
    found = judge(served(2000, 100), served(2000, 10), floors)
    assert (found.verdict, found.both_bad) == (Verdict.FAIL, False)
    assert "the current version 0.5 %" in found.sentence
    assert judge(served(2000, 100), served(2000, 90), floors).verdict is Verdict.PASS


def test_without_a_current_version_the_step_before_is_the_measure() -> None:
    floors = Floors(success_rate=0.9)
    found = judge(served(2000, 100), None, floors, baseline=served(2000, 10))
    assert found.verdict is Verdict.FAIL
    assert "the step before" in found.sentence
    assert judge(served(2000, 100), None, floors).verdict is Verdict.PASS


def test_a_slow_target_fails() -> None:
    """A fifth of the answers takes seconds; the current version is quick."""
    found = judge(served(200, 0, 160, 0, 40), served(2000), FLOORS)
    assert found.verdict is Verdict.FAIL
    assert "p95" in found.sentence


def test_failing_fast_is_not_quick() -> None:
    """The current version answers every request with an error at once: its times say nothing."""
    assert judge(served(200, 0, 0, 200), served(2000, 2000), FLOORS).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((200,), Verdict.PASS),
        ((150, 0, 0, 50), Verdict.FAIL),
        ((189, 0, 0, 11), Verdict.INCONCLUSIVE),
        ((150, 0, 0, 0, 50), Verdict.FAIL),
    ],
)
def test_latency_floor(counts: tuple[float, ...], verdict: Verdict) -> None:
    assert judge(served(200, 0, *counts), None, Floors(p95=1.0)).verdict is verdict


def test_numbers_are_plain_json_numbers() -> None:
    """Above the last bound no number is known."""
    found = judge(served(200, 0, 0, 0, 0, 0, 200), served(200), FLOORS)
    success, latency = (each.to_json() for each in found.gates)
    assert latency["value"] is None
    assert "above 5 s" in latency["sentence"]
    assert (success["value"], success["threshold"], success["samples"], success["unit"]) == (1.0, 0.99, 200, "share")
    json.dumps([success, latency], allow_nan=False)


def test_the_time_to_a_decision_is_what_is_missing_at_this_rate() -> None:
    """50 of 75 requests in 60 s; with errors as many as make them few enough."""
    assert judge(served(50), served(500), FLOORS).gates[0].eta == pytest.approx(30)
    assert judge(served(100, 2), served(500), FLOORS).gates[0].eta == pytest.approx(60)
    assert judge(served(0), served(500), FLOORS).gates[0].eta is None


def test_a_p95_that_nobody_measured_is_no_pass() -> None:
    """The gateway counts requests and no durations: without a floor that is enough."""
    counted = Window(200, 0, (), 60.0)
    assert judge(counted, counted, Floors(p95=1.0)).verdict is Verdict.INCONCLUSIVE
    assert judge(counted, counted, FLOORS).verdict is Verdict.PASS


def test_slower_all_in_all_fails() -> None:
    """Three of four answers are in a higher bucket, none takes very long; a tenth more is not told apart."""
    found = judge(served(200, 0, 50, 150), served(2000, 0, 1760, 240), FLOORS)
    assert found.verdict is Verdict.FAIL
    assert "half of the answers take" in found.sentence
    assert judge(served(200, 0, 168, 32), served(2000, 0, 1760, 240), FLOORS).verdict is Verdict.PASS


def test_where_a_test_is_not_due_nothing_fails() -> None:
    """Nor does what would fail pass."""
    assert judge(served(200, 100), served(2000), FLOORS, alpha=0.0).verdict is Verdict.INCONCLUSIVE


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5))
def test_windows_add_up(parts: list[tuple[int, int]]) -> None:
    """Look by look it is the same as at once, also where a part has no buckets."""
    windows = [served(a + b, 0, a, b) if a + b else Window(0, 0, (), 4.0) for a, b in parts]
    total = reduce(joined, windows)
    whole = served(sum(map(sum, parts)), 0, sum(a for a, _ in parts), sum(b for _, b in parts))
    assert total.requests == whole.requests
    assert total.seconds == sum(each.seconds for each in windows)
    assert not total.requests or total.buckets == whole.buckets


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_a_pass_meets_the_floor(requests: int, errors: int, others: int, other_errors: int) -> None:
    """Whatever the numbers: who passes failed at most 1 % of at least the minimum."""
    found = judge(served(requests, errors % (requests + 1)), served(others, other_errors % (others + 1)), FLOORS)
    if found.verdict is Verdict.PASS:
        assert requests >= FLOORS.minimum
        assert (errors % (requests + 1)) <= 0.01 * requests


@pytest.mark.parametrize(("target", "current", "wrong"), [(0.0, 0.3, Verdict.FAIL), (0.05, 0.0, Verdict.PASS)])
def test_simulated_steps_end_right(target: float, current: float, wrong: Verdict) -> None:
    """Looked at every 5 s for a minute at 10 % of 20 requests/s: a good target is not stopped, a bad one not passed."""
    seen = []
    for seed in range(200):
        source = random.Random(seed)
        canary, bad, stable, stable_bad = 0, 0, 0, 0
        for _ in range(12):
            canary, stable = canary + 10, stable + 90
            bad += sum(source.random() < target for _ in range(10))
            stable_bad += sum(source.random() < current for _ in range(90))
            seen.append(judge(served(canary, bad), served(stable, stable_bad), FLOORS).verdict)
            if seen[-1] is Verdict.FAIL:
                break
    last = seen.count(wrong)
    assert last == 0 if wrong is Verdict.FAIL else last < 0.05 * len(seen)


@pytest.mark.parametrize(
    ("rate", "share", "words"),
    [
        (20, 0.01, "1 % of 20 requests/s: about 6 minutes"),
        (20, 0.5, "50 % of 20 requests/s: about 8 s"),
        (0, 0.1, "10 % of 0 requests/s: no decision without traffic"),
        (0.1, 0.01, "1 % of 0.1 requests/s: about 21 hours"),
    ],
)
def test_time_to_decision(rate: float, share: float, words: str) -> None:
    assert decision_words(rate, share, 75) == words
    assert time_to_decision(20, 0.1, 100) == 50


# --- quantiles ---


def test_quantile_is_interpolated_as_prometheus_does() -> None:
    """The example of a histogram whose half lies at 0.1 and the rest at 0.3."""
    window = served(100, 0, 50, 50)
    assert window.quantile(0.5) == pytest.approx(0.1)
    assert window.quantile(0.75) == pytest.approx(0.2)
    assert served(0).quantile(0.95) is None
