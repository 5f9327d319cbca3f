"""Lines as errors, readings as rates: what is counted, and from when on."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from helm_safe.model.logbook import LINES, LogBook, Source
from helm_safe.model.signatures import is_error, scan
from helm_safe.model.times import parse_time

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=timezone.utc)
APP = Source("uid-1", "app")


def lines(count: int, *, end: float = 0.0, every: float = 1.0, text: str = "ok") -> str:
    """The last one is written `end` seconds after NOW."""
    times = [NOW + timedelta(seconds=end - every * back) for back in reversed(range(count))]
    return "".join(f"{at.isoformat().replace('+00:00', 'Z')} {text}\n" for at in times)


@pytest.mark.parametrize(
    "line",
    [
        "ERROR cannot pay",
        "2026-01-02 [error] nope".replace("[error]", "[ERROR]"),
        '{"level":"error","msg":"x"}',
        '{"severity": "CRITICAL"}',
        "time=1 level=fatal msg=x",
        '{"level":50,"msg":"x"}',
        "E0102 03:04:05.678 1 x.go:1] failed",
        "Traceback (most recent call last):",
        "panic: runtime error",
    ],
)
def test_lines_that_say_that_they_are_errors(line: str) -> None:
    assert is_error(line)


@pytest.mark.parametrize(
    "line", ["0 errors found", "GET /error 200", "level=info msg=no", '{"level":30}', "INFO: none"]
)
def test_lines_that_do_not(line: str) -> None:
    assert not is_error(line)


def test_errors_about_different_things_are_different() -> None:
    text = 'column "a" does not exist\ncolumn "b" does not exist\ncolumn "A" does not exist\n'
    assert [(match.subject, match.times) for match in scan(text)] == [("a", 2), ("b", 1)]


def test_a_rate_is_told_from_what_is_new_and_settled() -> None:
    """The first half minute of a container's life does not count, nor what an earlier reading had."""
    book, started = LogBook(), NOW - timedelta(seconds=20)
    book.note(APP, lines(200, every=0.1), started, NOW)
    assert book.rate("app", {"uid-1"}) is None
    book.note(APP, lines(220, end=20, every=0.1), started, NOW + timedelta(seconds=20))
    assert book.rate("app", {"uid-1"}) == pytest.approx((606, 0))
    book.note(APP, lines(10, end=30), started, NOW + timedelta(seconds=30))
    assert book.rate("app", {"uid-1"}) == pytest.approx((60, 0))
    assert book.rate("app", {"other"}) is None
    assert book.rate("proxy", {"uid-1"}) is None


def test_a_flood_shows_its_rate_in_the_newest_lines() -> None:
    book = LogBook()
    book.note(APP, "", None, NOW - timedelta(seconds=10))
    book.note(APP, lines(LINES, every=0.001), None, NOW)
    rate = book.rate("app", {"uid-1"})
    assert rate is not None
    assert rate.lines > 50_000


def test_how_far_back_to_read() -> None:
    book = LogBook()
    assert book.since(APP, NOW) == 600
    book.note(APP, "", None, NOW)
    assert book.since(APP, NOW + timedelta(seconds=12)) == 13


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.5+00:00", datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.12-01:00", datetime(2026, 1, 2, 4, 4, 5, 120000, tzinfo=timezone.utc)),
        ("yesterday", None),
        ("2026-13-02T03:04:05Z", None),
        ("", None),
    ],
)
def test_moments(text: str, wanted: datetime | None) -> None:
    assert parse_time(text) == wanted
