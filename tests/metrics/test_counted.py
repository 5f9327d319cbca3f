"""Counts out of two queries: each interval once, none that may still change, and no silence taken for zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from helm_safe.metrics.counted import CountedMetrics
from helm_safe.model.traffic import Backend, NoData, NoSeries, Reading, Refused, Window, window
from tests.fakes.runs import START, FakeClock

API, NEW = Backend("shop", "api"), Backend("shop", "api-new")
INTERVAL = 10.0


class Buckets:
    """Counts per interval of 10 s: what came, as far as the system has it by now. late: seconds after which it does."""

    summed = True

    def __init__(self, clock: FakeClock, late: float = 0.0) -> None:
        self.clock = clock
        self.late = late
        self.came: dict[str, list[tuple[float, float]]] = {}
        self.asked: list[tuple[str, datetime, datetime]] = []

    def come(self, query: str, count: float) -> None:
        self.came.setdefault(query, []).append((self.clock.now().timestamp(), count))

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        self.asked.append((query, begin, end))
        counts: dict[float, float] = {}
        for at, count in self.came.get(query, []):
            if at + self.late <= self.clock.now().timestamp():
                ends = (at // INTERVAL + 1) * INTERVAL
                counts[ends] = counts.get(ends, 0.0) + count
        found = [Reading(*pair) for pair in sorted(counts.items()) if begin.timestamp() < pair[0] <= end.timestamp()]
        if not found:
            raise NoSeries("no numbers")
        return found


class Totals(Buckets):
    """Counters that tell their total."""

    summed = False

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        self.asked.append((query, begin, end))
        if query not in self.came:
            raise NoSeries("no numbers")
        return [Reading(end.timestamp(), sum(count for _, count in self.came[query]))]


def counted(queries: Buckets, lag: float | None = None) -> CountedMetrics:
    texts = ("requests $service", "errors $service")
    return CountedMetrics(queries, "demo", *texts, clock=queries.clock, lag=lag)


def traffic(queries: Buckets, seconds: int, errors: float = 0.0, service: str = "api") -> None:
    """One request a second, and so many errors."""
    for _ in range(seconds):
        queries.come(f"requests {service}", 1)
        queries.come(f"errors {service}", errors)
        queries.clock.sleep(1)


@pytest.mark.parametrize("late", [0, 7, 25])
def test_every_interval_counts_once(late: float) -> None:
    """Whatever the system's delay, as long as the lag covers it: nothing is lost, nothing doubled."""
    queries = Buckets(FakeClock(), late)
    provider = counted(queries, lag=30)
    traffic(queries, 45)
    before = provider.sample([API])[API]
    for _ in range(25):
        traffic(queries, 4, errors=0.25)
        after = provider.sample([API])[API]
    seen = window(before, after)
    assert seen.seconds == 100
    assert seen.requests == pytest.approx(100, abs=INTERVAL)
    assert seen.requests % INTERVAL == 0
    assert seen.errors <= seen.requests / 4
    assert seen.errors >= (seen.requests - 30 - INTERVAL) / 4


def test_what_may_still_change_is_not_counted() -> None:
    queries = Buckets(FakeClock())
    provider = counted(queries)
    traffic(queries, 100)
    sample = provider.sample([API])[API]
    assert sample.requests == {("demo",): 35.0}  # the last interval that ended 60 s ago did so after 35 s
    assert sample.at == 40
    assert all(end.timestamp() == queries.clock.now().timestamp() - 60 for _, _, end in queries.asked)


def test_an_interval_waits_for_its_errors() -> None:
    """Requests that are known earlier than their errors would make a bad version look good."""
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=0)
    traffic(queries, 25)
    queries.came["errors api"] = [pair for pair in queries.came["errors api"] if pair[0] < START.timestamp() + 5]
    assert provider.sample([API])[API].requests == {("demo",): 5.0}


def test_each_look_asks_only_for_what_is_new() -> None:
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=0)
    traffic(queries, 20)
    for _ in range(100):
        traffic(queries, 4)
        provider.sample([API])
    assert all((end - begin).total_seconds() <= 2 * INTERVAL for _, begin, end in queries.asked[2:])


def test_no_answer_for_errors_is_not_zero_errors() -> None:
    """It may be a misnamed metric."""
    queries = Buckets(FakeClock())
    for _ in range(30):
        queries.come("requests api", 1)
        queries.clock.sleep(1)
    with pytest.raises(NoData, match=r"metrics\.errors must answer 0"):
        counted(queries, lag=0).sample([API])


def test_requests_that_nobody_knows_are_an_error_at_the_first_look() -> None:
    queries = Buckets(FakeClock())
    with pytest.raises(NoSeries, match="no requests of any of Service/api, Service/api-new"):
        counted(queries).sample([API, NEW])


def test_a_backend_without_traffic_beside_one_with_it_is_empty() -> None:
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=0)
    traffic(queries, 30)
    before = provider.sample([API, NEW])
    assert before[NEW].requests == {}
    traffic(queries, 20)
    traffic(queries, 20, 1.0, "api-new")
    after = provider.sample([API, NEW])
    seen = window(before[NEW], after[NEW])
    assert (seen.requests, seen.errors) == (15, 15)
    assert window(before[API], after[API]).errors == 0


def test_traffic_that_stops_is_no_traffic() -> None:
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=0)
    traffic(queries, 30)
    queries.clock.sleep(30)
    before = provider.sample([API])[API]
    queries.clock.sleep(100)
    assert window(before, provider.sample([API])[API]) == Window(0, 0, seconds=100)


def test_the_past_is_told_where_it_is_known() -> None:
    """The plan looks a minute back, and once more: what came between is the rate of now."""
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=30)
    traffic(queries, 120)
    before, after = provider.sample([API], 60)[API], provider.sample([API])[API]
    assert before.at == 30
    assert window(before, after) == Window(60, 0, seconds=60)
    assert after.origin == "your queries of demo"


def test_totals_count_what_they_grow_by() -> None:
    queries = Totals(FakeClock())
    provider = counted(queries)
    traffic(queries, 50)
    before = provider.sample([API])[API]
    assert before.at == queries.clock.monotonic()
    traffic(queries, 20, errors=0.5)
    seen = window(before, provider.sample([API])[API])
    assert (seen.requests, seen.errors, seen.seconds) == (20, 10, 20)


def test_a_total_that_falls_adds_nothing() -> None:
    """A pod went, and its part of the sum with it: what is left did not come in this moment."""
    queries = Totals(FakeClock())
    provider = counted(queries)
    traffic(queries, 1000)
    before = provider.sample([API])[API]
    queries.come("requests api", -300)
    provider.sample([API])
    traffic(queries, 20)
    assert window(before, provider.sample([API])[API]).requests == 20


def test_a_system_that_dies_is_no_data_and_misses_nothing_afterwards() -> None:
    queries = Buckets(FakeClock())
    provider = counted(queries, lag=0)
    traffic(queries, 25)
    before = provider.sample([API])[API]
    answers = queries.series

    def dead(query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        raise Refused("the token was revoked")

    queries.series = dead  # type: ignore[method-assign]
    traffic(queries, 10)
    with pytest.raises(NoData, match="revoked"):
        provider.sample([API])
    queries.series = answers  # type: ignore[method-assign]
    traffic(queries, 40)
    assert window(before, provider.sample([API])[API]).requests == 50


def test_a_name_that_would_change_the_query_is_not_sent() -> None:
    queries = Totals(FakeClock())
    with pytest.raises(NoData, match="cannot be put into a query"):
        counted(queries).sample([Backend("shop", 'api"} or vector(0)')])
    assert queries.asked == []


def test_an_unknown_placeholder() -> None:
    queries = Totals(FakeClock())
    provider = CountedMetrics(queries, "demo", "requests $pod", "errors", clock=queries.clock)
    with pytest.raises(NoData, match="placeholder"):
        provider.sample([API])
