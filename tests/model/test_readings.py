"""Metrics of the user's own: what passes, what fails, what is no news."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from helm_safe.model.machine import Verdict
from helm_safe.model.options import OPTIONS
from helm_safe.model.policy import Annotated, Policy, Resolved, resolve
from helm_safe.model.queries import Mistakes, Query, read_queries
from helm_safe.model.readings import gathered, judge_readings, thinned
from helm_safe.model.traffic import Reading

DEPTH = Query("queue", 'depth{service="$service"}', worse="higher")
BOUND = Query("queue", "depth", most=100.0)
NOTHING = Annotated(1, {})


def readings(values: Sequence[float], every: float = 5.0) -> list[Reading]:
    return [Reading(1000.0 + every * number, value) for number, value in enumerate(values)]


def judged(query: Query, values: Sequence[float], other: Sequence[float] | None = None, alpha: float = 1e-3) -> Any:
    return judge_readings(query, readings(values), None if other is None else readings(other), alpha=alpha)


# --- bounds ---


def test_no_reading_is_no_pass() -> None:
    found = judged(BOUND, [])
    assert (found.verdict, found.value, found.samples, found.needed) == (Verdict.INCONCLUSIVE, None, 0, 10)
    assert found.eta == 39


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([20] * 9, Verdict.INCONCLUSIVE),
        ([20] * 10, Verdict.PASS),
        ([200] * 6, Verdict.INCONCLUSIVE),
        ([200] * 7, Verdict.FAIL),
        ([20] * 8 + [900] * 4, Verdict.PASS),
        ([90, 110] * 6 + [110], Verdict.INCONCLUSIVE),
    ],
)
def test_the_median_holds_the_bound(values: list[float], verdict: Verdict) -> None:
    """Several readings, and never a single one, decide; what hovers at the bound goes on."""
    assert judged(BOUND, values).verdict is verdict


def test_the_lower_bound_and_its_words() -> None:
    found = judged(Query("orders", "x", least=5.0, most=9.0), [1] * 8)
    assert found.verdict is Verdict.FAIL
    assert found.sentence == "orders is 1, at least 5 is wanted and at most 9 is allowed"


# --- beside the current version ---


def noise(level: float, count: int, seed: int, spread: float = 0.2) -> list[float]:
    source = random.Random(seed)
    return [level * source.lognormvariate(0, spread) for _ in range(count)]


def test_worse_beyond_chance_fails() -> None:
    found = judged(DEPTH, noise(40, 12, 1), noise(20, 12, 2))
    assert (found.verdict, found.worse) == (Verdict.FAIL, True)
    assert "with the current version" in found.sentence
    assert judged(DEPTH, noise(20, 12, 2), noise(40, 12, 1)).verdict is Verdict.PASS


def test_the_direction_counts() -> None:
    fewer = DEPTH._replace(worse="lower")
    assert judged(fewer, noise(20, 12, 2), noise(40, 12, 1)).verdict is Verdict.FAIL


def test_a_trivial_difference_never_fails() -> None:
    """Every reading is larger, by half a percent: ranks alone would call that certain."""
    assert judged(DEPTH, [100.5 + each / 1e6 for each in range(60)], [100.0] * 60).verdict is Verdict.PASS


def test_equal_versions_are_not_told_apart() -> None:
    wrong = sum(
        judged(DEPTH, noise(20, 30, seed), noise(20, 30, -1 - seed)).verdict is Verdict.FAIL for seed in range(99)
    )
    assert wrong == 0


def test_nothing_said_by_the_current_version_is_no_pass() -> None:
    assert judged(DEPTH, noise(20, 12, 1), []).verdict is Verdict.INCONCLUSIVE
    assert judged(DEPTH, noise(20, 12, 1), None).verdict is Verdict.PASS


def test_what_is_read_many_times_is_no_evidence() -> None:
    """Three measurements a side, each read eight times: a slow metric must not look like 24 readings that agree."""
    ours, theirs = ([level for level in (a, b, c) for _ in range(8)] for a, b, c in ((30, 31, 29), (20, 21, 22)))
    assert judged(DEPTH, ours, theirs).verdict is Verdict.PASS


def test_windows_that_overlap_are_thinned() -> None:
    """A rate over five minutes, read every five seconds, has one reading in five minutes."""
    slow = Query("rate", 'rate(x{service="$service"}[5m])', worse="higher")
    assert slow.window == 300
    assert judged(slow, noise(40, 24, 1), noise(20, 24, 2)).verdict is Verdict.PASS


def test_the_same_reading_is_counted_once() -> None:
    known = gathered([], readings([1, 2, 3]), 999.0)
    assert gathered(known, readings([1, 2, 3, 4]), 999.0) == readings([1, 2, 3, 4])
    assert gathered([], [Reading(1.0, 5.0), Reading(2.0, math.nan), Reading(3.0, math.inf)], 0.0) == [Reading(1.0, 5.0)]
    assert gathered([], readings([1, 2, 3]), 1005.0) == readings([1, 2, 3])[2:]
    assert thinned(readings([1, 2, 3, 4], every=1.0), 3.9) == [1]


# --- the policy ---


def test_a_query_is_read_as_it_is_written() -> None:
    body = [{"name": "queue", "query": "depth of $service", "max": 5, "worse": "higher", "provider": "datadog"}]
    (found,) = read_queries(body)
    assert Query.from_json(found) == Query("queue", "depth of $service", "datadog", most=5, worse="higher")
    settled = resolve({}, Policy("p.yaml", {"gates.queries": read_queries(body)}), NOTHING, NOTHING)
    assert Resolved.from_json(settled.to_json()).value("gates.queries") == (found,)
    assert OPTIONS["gates.queries"].written(settled.value("gates.queries")) == "queue"


FINE: dict[str, Any] = {"name": "queue", "query": "depth of $service", "max": 5}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "[0].name: a name"),
        ({"name": None}, "[0].name: a name"),
        ({"query": ["a"]}, "[0].query: the query's text"),
        ({"query": "depth of $servise"}, "[0].query: the query has a placeholder that is not known"),
        ({"query": "costs 5$"}, "[0].query: the query has a placeholder"),
        ({"provider": "Data Dog"}, "[0].provider: its name"),
        ({"url": "https://me:secret@example"}, "[0].url: an address such as"),
        ({"max": "5"}, "[0].max: a number"),
        ({"max": math.inf}, "[0].max: a number"),
        ({"min": 9}, "[0]: min 9 is above max 5"),
        ({"worse": "slower"}, "[0].worse: higher or lower"),
        ({"readings": 0}, "[0].readings: a whole number"),
        ({"readings": 2.5}, "[0].readings: a whole number"),
        ({"treshold": 1}, "'treshold' is not known (known: name, query"),
        ({"max": None}, "[0].max: a number"),
    ],
)
def test_every_mistake_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Mistakes) as raised:
        read_queries([{**FINE, **change}])
    assert any(words in each for each in raised.value.problems)
    assert "secret" not in str(raised.value)


def test_what_could_never_fail_or_stands_twice_is_a_mistake() -> None:
    for body, words in (
        ([{"name": "a", "query": "b"}], "min, max or worse must say"),
        ([{"name": "a", "query": "b", "worse": "higher"}], "must hold $service"),
        ([FINE, FINE], "two queries are named 'queue'"),
        ([{"query": "b", "max": 1}], ".name is missing"),
        (["queue"], "a mapping"),
        ({"name": "queue"}, "a list"),
        ([{**FINE, "name": f"n{number}"} for number in range(21)], "at most 20"),
    ):
        with pytest.raises(Mistakes, match=words.replace("$", r"\$")):
            read_queries(body)
