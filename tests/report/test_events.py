"""The events of whole runs on the fakes: published shapes, and a board that tells the truth about each."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from helm_safe.journal.lease import leave_request
from helm_safe.model import board
from helm_safe.model.board_fold import fold
from helm_safe.model.errors import HelmSafeError
from helm_safe.model.events import Event, Level
from helm_safe.report.live import JsonLinesReporter, TextReporter
from tests.fakes.controllers import POLITE
from tests.fakes.runs import RELEASE, FakeReporter
from tests.fakes.shop import Shop
from tests.report import story
from tests.report.test_schemas import schema
from tests.rollback.scenes import SCENES, begin, known_good, settings
from tests.rollback.test_staged import simple, when

SHAPE = jsonschema.Draft202012Validator(schema("event"))


def events_of(made: Shop) -> list[Event]:
    reporter = made.world.reporter
    assert isinstance(reporter, FakeReporter)
    return reporter.events


def told(made: Shop, **flags: Any) -> list[Event]:
    with suppress(HelmSafeError):
        begin(made, **flags)
    return events_of(made)


def valid(events: list[Event]) -> list[str]:
    """Each event has the published shape; the kinds that came."""
    for event in events:
        SHAPE.validate(json.loads(json.dumps(event.to_json())))
    return [str(event.data.get("kind", "")) for event in events]


@pytest.mark.parametrize("name", SCENES)
def test_a_whole_run(tmp_path: Path, name: str) -> None:
    """Every strategy tells its course first and its end last; the board ends with every step done."""
    flags = {key: value for key, value in SCENES[name].flags.items() if key != "pause_at"}
    events = told(SCENES[name].build(tmp_path, "ssa"), **flags)
    kinds = valid(events)
    assert kinds.count("plan") == kinds.count("end") == 1
    assert kinds[-1] == "end"
    shown = fold(events)
    assert {step.state for step in shown.steps} == {board.DONE}
    assert shown.end == "SUCCEEDED"
    assert shown.remaining(events[-1].at) == 0
    if SCENES[name].strategy in ("standby", "shift"):
        assert {"weights", "gate"} <= set(kinds)
        assert {(row.name.endswith(("-standby", "-stable")), row.wanted) for row in shown.shares} == {
            (False, 100),
            (True, 0),
        }


def test_a_run_whose_gate_fails(tmp_path: Path) -> None:
    """What was still to come is gone from the tree, the way out is in it."""
    events = told(simple(tmp_path, one=POLITE))
    valid(events)
    shown = fold(events)
    assert shown.end == "FAILED"
    assert [step.id for step in shown.steps if step.state == board.FAILED] == ["shift 10"]
    assert not [step.id for step in shown.steps if step.state == board.WAITING]
    assert shown.steps[-1].id.startswith("undo")


def test_a_run_that_is_paused_and_goes_on(tmp_path: Path) -> None:
    made = simple(tmp_path)
    when(made, "50 % of the users to the standby", lambda: leave_request(made.cluster, RELEASE, "pause"))
    when(made, "paused on request", lambda: leave_request(made.cluster, RELEASE, "resume"))
    events = told(made)
    kinds = valid(events)
    assert kinds.count("paused") == 1
    until = kinds.index("paused") + 1
    assert fold(events[:until]).paused
    assert not fold(events).paused
    assert fold(events).end == "SUCCEEDED"


def test_a_run_that_waits_for_approval(tmp_path: Path) -> None:
    made = simple(tmp_path)
    events = told(made, **{"pause-at": "10", "approval.timeout": "60s"})
    kinds = valid(events)
    waits = fold(events[: kinds.index("waiting") + 1])
    assert waits.waiting
    assert waits.waiting.what
    assert waits.active
    assert waits.active.asks
    assert waits.gate, "what was seen last is still there"


def test_an_isolation(tmp_path: Path) -> None:
    from helm_safe.rollback.isolation import isolate

    made = known_good(tmp_path, "ssa")
    isolate(made.world, RELEASE, "", settings(), lambda _: True)
    valid(events_of(made))
    assert fold(events_of(made)).end == "SUCCEEDED"


@pytest.mark.parametrize("moment", story.MOMENTS, ids=lambda moment: moment.__name__)
def test_the_scripted_stories_are_true_to_the_shapes(moment: Any) -> None:
    """What the screen is tested with is what runs tell."""
    valid(moment().events)


# --- lines ---


def lines_of(events: list[Event]) -> list[str]:
    out = io.StringIO()
    reporter = TextReporter(stream=out)
    for event in events:
        reporter.event(event)
    return out.getvalue().splitlines()


def test_lines_are_one_for_each_change(tmp_path: Path) -> None:
    """No escape bytes, no line without words, none for pods, each with time and stage."""
    events = [*story.success().events, *told(simple(tmp_path))]
    lines = lines_of(events)
    assert len(lines) == sum(bool(event.message) and event.data.get("kind") != "pods" for event in events)
    assert not any("\x1b" in line for line in lines)
    assert all(line[8:10] == "  " and line[10:18].strip().isupper() for line in lines)
    assert not any(line == after for line, after in pairwise(lines))


def test_lines_in_ascii() -> None:
    """A legacy encoding shows all of it, and breaks nothing."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as out:
        reporter = TextReporter(stream=out)
        for event in story.hostile().events:
            reporter.event(event)
        reporter.event(Event(story.START, "SHIFT", Level.GOOD, "1 → 10 %, p95 ≥ 3 µs, 価格"))
        text = raw.getvalue().decode("ascii")
    assert "+ 1 -> 10 %, p95 >= 3 us, \\u4fa1\\u683c" in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_lines(encoding: str) -> None:
    """One object a line, the same whatever the encoding."""
    raw = io.BytesIO()
    events = [*story.success().events, *story.hostile().events]
    with io.TextIOWrapper(raw, encoding=encoding, write_through=True) as out:
        reporter = JsonLinesReporter(out)
        for event in events:
            reporter.event(event)
        lines = raw.getvalue().decode(encoding).splitlines()
    assert len(lines) == len(events)
    assert [json.loads(line).get("data", {}) for line in lines] == [
        json.loads(json.dumps(event.data)) for event in events
    ]
