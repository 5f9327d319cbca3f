"""The board and its picture: total over any events, and never larger than the terminal."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.model import board
from helm_safe.model.board_fold import KEPT, fold
from helm_safe.model.events import Event, Level
from helm_safe.report.cells import bar, clock, columns, name_of, text
from helm_safe.report.charset import Glyphs, glyphs_of, legible, one_cell
from helm_safe.report.frame import Frame
from tests.report import story

EVENTS = [event for moment in story.MOMENTS for event in moment().events]
BAR = Glyphs()


def drawn(events: list[Event], columns: int = 80, rows: int = 40) -> list[str]:
    made = Frame(fold(events), events[-1].at if events else story.START, keys=(("p", "pause"),))
    return [line.plain for line in made.lines(columns, rows)]


# --- board ---


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_any_events_in_any_order_make_a_board(events: list[Event]) -> None:
    """A board can be begun anywhere: what is not known is empty."""
    shown = fold(events)
    now = story.START + timedelta(minutes=2)
    assert shown.elapsed(now) >= 0
    assert shown.remaining(now) >= 0
    assert len(shown.lines) <= KEPT
    assert fold(events[1:], fold(events[:1])) == shown
    drawn(events)


def test_expected_times_count_down() -> None:
    """What is left shrinks as the run goes on, and is nothing in the end."""
    events = story.success().events
    left = [fold(events[: at + 1]).remaining(event.at) for at, event in enumerate(events)]
    assert left[0] > 250
    assert left[-1] == 0
    assert all(after <= before + 40 for before, after in pairwise(left))


def test_the_eta_of_a_gate_counts_down_between_its_looks() -> None:
    told = story.shifting()
    shown, look = fold(told.events), told.events[-1]
    assert shown.gate
    assert [shown.left(look.at + timedelta(seconds=each)) for each in (0, 4, 60)] == [10, 6, 0]


def test_actual_shares_belong_to_those_that_are_judged() -> None:
    """In RETURN the release's own Service is judged, and the gateway counted its share."""
    told = story.Story()
    told.plan()
    story.share(told, 10, direction="return", last=False)
    shares = {row.name: (row.wanted, row.actual) for row in fold(told.events).shares}
    assert shares == {story.NAME: (10, pytest.approx(10)), story.BESIDE: (90, pytest.approx(90))}


def test_a_way_out_replaces_what_was_still_to_come() -> None:
    shown = fold(story.failing().events)
    assert [(step.id, step.state) for step in shown.steps if step.stage in ("SHIFT", "CLEANUP")] == [
        ("shift 1", "done"), ("shift 10", "failed"), ("undo routes", "begun"), ("undo standby", "waiting"),
    ]  # fmt: skip
    assert not [stage for stage in shown.stages if stage.stage == "RETURN"]


def test_a_run_that_goes_on_knows_what_was_done() -> None:
    told = story.Story()
    told.plan()
    first = told.events[0]
    again = Event(first.at, "PLAN", Level.INFO, "goes on", {**first.data, "done": ["autopsy", "hold"]})
    shown = fold([again])
    assert [step.id for step in shown.steps if step.state == board.DONE] == ["autopsy", "hold"]
    assert shown.upcoming
    assert shown.upcoming.id == "standby"


# --- frame ---


@pytest.mark.parametrize("moment", story.MOMENTS, ids=lambda moment: moment.__name__)
def test_it_fits_everywhere(moment: story.Story) -> None:
    told = moment()  # type: ignore[operator]
    made = Frame(fold(told.events), told.now, keys=(("p", "pause"), ("a", "abort")), command="abort " * 20)
    for wide in (1, 10, 39, 80, 81, 139, 140, 400):
        for high in (1, 2, 10, 18, 23, 24, 60):
            lines = made.lines(wide, high)
            assert len(lines) <= high
            assert max(line.cell_len for line in lines) <= wide


@pytest.mark.parametrize("wide", [80, 200])
def test_the_less_room_the_less_but_never_what_matters(wide: int) -> None:
    """At any usual height: the title, the stage under way, the gate that fails, and what is next."""
    told = story.many()
    for high in (20, 23, 30, 50):
        seen = "\n".join(drawn(told.events, wide, high))
        for words in ("revision 2 → 1", "► SHIFT", "TRAFFIC", "success rate", "CrashLoopBackOff", "NEXT", "p pause"):
            assert words in seen, (high, words)


def test_names_are_shortened_in_their_middle() -> None:
    """Two Services with one long beginning stay two."""
    names = {line.split("━")[0] for line in drawn(story.long_names().events) if "━" in line and line.startswith("  ")}
    assert len(names) >= 2
    assert name_of("a-very-long-name-standby", 12).plain == "a-ver…tandby"
    assert name_of("价格价格价格", 7).cell_len == 7


@pytest.mark.parametrize(
    ("share", "mark", "expected"),
    [
        (0, None, "──────────"), (100, None, "━━━━━━━━━━"), (1, None, "━─────────"), (50, 50, "━━━━━┃────"),
        (100, 100, "━━━━━━━━━┃"), (0, 0, "┃─────────"), (140, 100, "━━━━━━━━━┃"), (20, 50, "━━───┃────"),
    ],
)  # fmt: skip
def test_bars(share: float, mark: float | None, expected: str) -> None:
    assert bar(BAR, 10, share, mark=mark).plain == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-3, "0:00"), (7.9, "0:07"), (60, "1:00"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_columns_keep_within_the_width() -> None:
    rows = [[text("a long name of a gate"), text("1"), text("10")], [text("b"), text("200"), text("3")]]
    assert [line.plain for line in columns(rows, 24, "lrr")] == ["a long name of…    1  10", "b                200   3"]


def test_each_character_of_ours_has_one_cell_and_a_twin() -> None:
    """Legacy encodings get another character in the same place."""
    ours, twins = Glyphs(), glyphs_of("ascii")
    for name in Glyphs.__dataclass_fields__:
        mine, twin = getattr(ours, name), getattr(twins, name)
        assert len(mine) == len(twin) == text(mine).cell_len
        assert twin.isascii()
    assert one_cell("a → b · c … – 価", "ascii") == "a > b - c ~ - ?"
    assert legible("≥ 3 µs → 価", "latin-1") == ">= 3 us -> \\u4fa1"
    assert legible("≥ 3 µs → 価", "utf-8") == "≥ 3 µs → 価"
