"""The demo's numbers: what counts as failed, and when a service is calm."""

from __future__ import annotations

import pytest

from helm_safe.sandbox.demo.numbers import (
    Request,
    between,
    calm_after,
    read_requests,
    serving,
    summarize,
    windows,
)


def stream(pattern: str, rate: float = 10.0, start: float = 100.0) -> list[Request]:
    """One request per letter: `.` succeeds, `x` fails, `s` succeeds slowly."""
    answers = {".": (0.01, 200), "x": (0.01, 503), "s": (1.5, 200)}
    return [Request(start + index / rate, *answers[letter]) for index, letter in enumerate(pattern)]


@pytest.mark.parametrize(
    ("status", "failed"), [(200, False), (204, False), (302, False), (404, True), (500, True), (0, True)]
)
def test_anything_but_a_success_or_a_redirect_is_a_failure(status: int, failed: bool) -> None:
    assert Request(0.0, 0.1, status).failed is failed


def test_a_summary_counts_failed_and_slow_apart() -> None:
    found = summarize(stream("..xs"), slow_after=1.0)
    assert (found.total, found.failed, found.slow, found.share) == (4, 1, 1, 0.25)


def test_no_requests_have_no_share() -> None:
    assert summarize([], 1.0).share is None


def test_between_takes_the_start_and_leaves_the_end() -> None:
    assert [each.at for each in between(stream("...."), 100.1, 100.3)] == [100.1, 100.2]


def test_windows_cover_the_span_with_empty_ones_too() -> None:
    found = windows(stream("xx" + "." * 8), 100.0, 103.0, 1.0, 1.0)
    assert [(each.start, each.summary.total, each.summary.failed) for each in found] == [
        (100.0, 10, 2),
        (101.0, 0, 0),
        (102.0, 0, 0),
    ]


def test_windows_need_a_size() -> None:
    with pytest.raises(ValueError, match="size"):
        windows([], 0, 1, 0, 1)


def test_calm_comes_after_the_last_bad_span() -> None:
    requests = stream("x" * 50 + "." * 200)
    assert calm_after(requests, 100.0, 125.0) == pytest.approx(4.9)


def test_one_failure_of_many_does_not_end_the_calm() -> None:
    requests = stream("x" * 100 + "." * 400 + "x" + "." * 1000, rate=40.0)
    assert calm_after(requests, 100.0, requests[-1].at) == pytest.approx(2.475, abs=0.03)


def test_a_relapse_postpones_the_calm() -> None:
    requests = stream("x" * 10 + "." * 100 + "x" * 10 + "." * 100)
    assert calm_after(requests, 100.0, 122.0) == pytest.approx(11.9)


def test_a_service_that_never_failed_is_calm_at_once() -> None:
    assert calm_after(stream("." * 100), 100.0, 110.0) == 0.0


@pytest.mark.parametrize("pattern", ["x" * 100, "." * 90 + "x" * 10, "x" * 80 + "." * 20, ""])
def test_no_calm_without_a_whole_window_of_it(pattern: str) -> None:
    assert calm_after(stream(pattern), 100.0, 110.0) is None


def test_silence_is_not_calm() -> None:
    assert calm_after(stream("xxxx"), 100.0, 200.0) is None
    assert calm_after(stream("...."), 100.0, 200.0) is None


def test_lines_are_read_back_and_a_torn_last_one_is_left_out() -> None:
    first = Request(2.0, 0.5, 200, "api-1", "1-cold-4")
    second = Request(1.0, 0.25, 0, error="ServerDisconnectedError")
    text = f"{first.to_line()}\n{second.to_line()}\n{first.to_line()[:10]}"
    assert read_requests(text) == [second, first]


def test_serving_names_the_versions_by_their_share() -> None:
    requests = [Request(0, 0, 200, version=version) for version in ("2", "1", "1")]
    assert serving(requests) == {"1": 2, "2": 1}
