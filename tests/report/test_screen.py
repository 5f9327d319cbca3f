"""The live screen on a real pseudo-terminal: what is seen, what lasts, and what is left behind."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from helm_safe.model.events import Event
from helm_safe.report import screen
from helm_safe.report.keys import Keys
from helm_safe.report.screen import Screen, possible
from tests.report import story
from tests.report.golden import compare
from tests.report.play import COMMAND, At, play
from tests.report.terminal import Terminal, child, terminal

SIZES = ((80, 24), (200, 50))
MOMENTS = tuple(moment.__name__ for moment in story.MOMENTS)
HIDE, SHOW, WRAP = b"\x1b[?25l", b"\x1b[?25h", b"\x1b[?7h"
MARKS = itertools.count(1000)
PLAY = ("-m", "tests.report.play")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(screen, "TICK", 0.05)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(at: Terminal, live: Screen, stream: TextIO) -> None:
    """Until what is known is drawn, and all of it has been read."""
    at.until(lambda: not live._live or live._seen == live._state(), "the frame")
    with live._lock:
        mark = f"\x1b[0;0;{next(MARKS)}m"
        stream.write(mark)
        stream.flush()
    at.until(lambda: mark.encode() in at.raw, "the last byte")


def shown(at: Terminal, moment: str, *, no_color: bool = False, encoding: str = "utf-8") -> str:
    """What stands on the terminal at that moment, seen before the screen is left."""
    told = getattr(story, moment)()
    clock = At(story.START)
    with at.file(encoding) as stream, Screen(clock, no_color=no_color, stream=stream, keys=Keys(at.slave)) as live:
        live.connect(lambda verb: verb, COMMAND)
        play(live, clock, told)
        drawn(at, live, stream)
        text = "\n".join(at.lines) + "\n"
        live.close()
        drawn(at, live, stream)
    return text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("moment", MOMENTS)
def test_frames(moment: str, size: tuple[int, int]) -> None:
    """Every moment at both sizes, as a person sees it."""
    with terminal(*size) as at:
        compare(f"{moment}-{size[0]}x{size[1]}.txt", shown(at, moment))
        assert at.cursor_shown
        assert at.as_before


def test_without_colour_the_same_is_said() -> None:
    """Colours carry nothing alone: the characters are the same, and no colour is sent."""
    with terminal() as coloured, terminal() as plain:
        assert shown(coloured, "failing") == shown(plain, "failing", no_color=True)
        colour = re.compile(rb"\x1b\[(\d+;)*(3[0-8]|9[0-7])(;\d+)*m")
        assert colour.search(coloured.raw)
        assert not colour.search(plain.raw)


def test_ascii() -> None:
    """A legacy encoding gets characters that it has, in the same columns."""
    with terminal() as at:
        compare("shifting-ascii.txt", shown(at, "shifting", encoding="ascii"))
        assert at.raw.isascii()


def test_what_matters_lasts_above_the_frame() -> None:
    """Done steps scroll away and are not lost; the looks of gates and pods do not fill the scroll-back."""
    with terminal() as at:
        shown(at, "success")
        for step in (each for each in story.STEPS if not each["asks"]):
            assert any(
                event.message in at.text.replace("\n", "")
                for event in story.success().events
                if event.data.get("step") == step["id"]
            )
        assert at.text.count("4 of 4 pods up; 80 warm-up requests answered") == 2, (
            "once in the scroll-back, once in the frame"
        )
        assert at.text.count("TRAFFIC") == 1
        assert "10 % wanted\n" not in at.text


def test_hostile_words_move_nothing() -> None:
    """No byte that acts reaches the terminal from outside."""
    with terminal() as at:
        shown(at, "hostile")
        for act in (b"\x1b[2J", b"\x1b]0;", b"\x1b[31mred", b"\x08", "\u202e".encode(), b"\x9b5A"):
            assert act not in at.raw
        assert at.cursor_shown


@pytest.mark.parametrize(("columns", "rows"), [(20, 6), (60, 15), (400, 100)])
def test_every_size(columns: int, rows: int) -> None:
    """The frame fits: nothing wraps, and there is one of it."""
    with terminal(columns, rows) as at:
        text = shown(at, "many").splitlines()
        rules = [number for number, line in enumerate(text) if set(line) <= set("━─") and line]
        assert len(rules) == 1
        assert len(text) - rules[0] <= rows - 1


# --- leaving ---


def assert_clean(at: Terminal) -> None:
    assert at.cursor_shown
    assert at.raw.rfind(SHOW) > at.raw.rfind(HIDE)
    assert at.raw.rfind(WRAP) > at.raw.rfind(b"\x1b[?7l")
    assert at.as_before


@pytest.mark.parametrize(
    ("way", "number", "code"),
    [
        ("go", 0, 0),
        ("crash", 0, 1),
        ("stay", signal.SIGINT, 130),
        ("stay", signal.SIGTERM, 143),
        ("stay", signal.SIGHUP, 129),
    ],
)
def test_the_terminal_is_left_clean(way: str, number: int, code: int) -> None:
    """After the end, a crash, Ctrl-C and signals: the cursor is there, the modes are back, the last frame stands."""
    with terminal() as at, child(at, *PLAY, "shifting", way) as process:
        at.wait("GATE at 10 %")
        if way == "stay":
            at.until(lambda: not at.as_before, "the keys")
            assert not at.cursor_shown
        if number == signal.SIGINT:
            at.type("\x03")
        elif number:
            process.signal(number)
        assert process.end() == code
        assert_clean(at)
        assert "10 % of the users to the standby" in at.text
        assert "KEYS" not in "\n".join(at.lines), "nobody reads keys any more"
        if way == "go":
            assert at.lines[-1] == "the program goes on"


def test_stopped_and_continued() -> None:
    """Ctrl-Z gives the shell a clean terminal; the frame comes back below."""
    with terminal() as at, child(at, *PLAY, "shifting", "stay") as process:
        at.wait("GATE at 10 %")
        at.until(lambda: not at.as_before, "the keys")
        at.type("\x1a")
        at.until(lambda: at.cursor_shown and at.as_before, "a clean terminal")
        time.sleep(0.3)
        process.signal(signal.SIGCONT)
        at.until(lambda: not at.cursor_shown and not at.as_before, "the screen again")
        at.settle()
        assert at.text.count("GATE at 10 %") == 1
        at.type("\x03")
        assert process.end() == 130
        assert_clean(at)


def test_a_question_has_the_terminal_for_itself() -> None:
    """While something is asked there is no frame, and what is typed is the answer."""
    with terminal() as at, child(at, *PLAY, "shifting", "ask") as process:
        at.wait("Really?")
        assert at.cursor_shown
        assert at.as_before
        assert "GATE" not in "\n".join(at.lines)
        at.type("pg yes\n")
        at.wait("answer: pg yes")
        at.wait("GATE at 10 %")
        assert "you asked" not in at.text
        at.type("\x03")
        assert process.end() == 130
        assert_clean(at)


# --- resizing ---


@pytest.mark.parametrize("reflow", [True, False], ids=["reflow", "cut"])
@pytest.mark.parametrize(
    "sizes", [((80, 24), (120, 40), (80, 24)), ((200, 50), (80, 24)), ((80, 40), (50, 20), (160, 45))]
)
def test_resizing_leaves_no_garbage(sizes: tuple[tuple[int, int], ...], reflow: bool) -> None:
    """After each change of size there is one frame, and nothing of the old one."""
    clock = At(story.START)
    with terminal(*sizes[0]) as at, at.file() as stream, Screen(clock, stream=stream) as live:
        live.connect(lambda verb: verb, COMMAND)
        play(live, clock, story.shifting())
        drawn(at, live, stream)
        for columns, rows in sizes[1:]:
            at.resize(columns, rows, reflow=reflow)
            os.kill(os.getpid(), signal.SIGWINCH)
            drawn(at, live, stream)
            text = "\n".join(at.lines)
            assert sum(set(line) <= set("━─") for line in at.lines if line) == 1, text
            assert text.count("TRAFFIC") == 1, text
            assert text.count("PODS") == 1, text
            assert max(map(len, at.lines)) <= columns


# --- keys ---


def test_keys() -> None:
    """p, g and a ask for what the commands ask; abort only when it is pressed twice; pasted text does nothing."""
    asked: list[str] = []

    def press(verb: str) -> str:
        asked.append(verb)
        return f"you asked for this: {verb}"

    clock = At(story.START)
    with terminal() as at, at.file() as stream, Screen(clock, stream=stream, keys=Keys(at.slave)) as live:
        live.connect(press, COMMAND)
        play(live, clock, story.shifting())
        at.wait("p pause")
        for key, words in (("p", "p resume"), ("p", "p pause"), ("g", "this: promote"), ("a", "press a again")):
            at.type(key)
            at.wait(words)
        at.type("x")
        at.until(lambda: "press a again" not in "\n".join(at.lines), "the question to go")
        for keys in ("pasted", "\x1b[A", "a"):
            at.type(keys)
            time.sleep(0.2)
        at.wait("press a again")
        at.type("a")
        at.wait("you asked for this: abort")
        assert asked == ["pause", "resume", "promote", "abort"]


def test_no_keys_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe has no keys, and neither has a terminal that is another session's."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe, os.fdopen(writing, "w"):
        assert Keys.of(pipe) is None
    with terminal() as at, at.file() as stream:
        assert Keys.of(stream) is None


# --- the rest ---


def test_a_fault_of_the_screen_does_not_stop_the_run() -> None:
    """Lines go on where the frame cannot."""

    class Broken(At):
        broken = False

        def now(self):  # type: ignore[no-untyped-def]
            if self.broken:
                self.broken = False
                raise ZeroDivisionError
            return super().now()

    clock = Broken(story.START)
    with terminal() as at, at.file() as stream, Screen(clock, stream=stream) as live:
        told = story.success()
        play(live, clock, _first(told, 8))
        clock.broken = True
        for event in told.events[8:]:
            live.event(event)
        at.until(lambda: "met a fault of its own (ZeroDivisionError)" in at.text, "the fault")
        at.settle()
        assert at.lines[-1].endswith("the run ended SUCCEEDED")
        assert_clean(at)


def _first(told: story.Story, count: int) -> story.Story:
    told = story.success()
    told.events = told.events[:count]
    return told


def test_quiet_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that would be the same is not drawn, and events that come fast are drawn together."""
    monkeypatch.setattr(screen, "TICK", 0.25)
    clock = At(story.START)
    with terminal() as at, at.file() as stream, Screen(clock, stream=stream) as live:
        told = story.shifting()
        play(live, clock, told)
        drawn(at, live, stream)
        before, began = len(at.raw), time.monotonic()
        time.sleep(0.8)
        assert len(at.raw) == before
        look = told.events[-1]
        for samples in range(200):
            live.event(Event(look.at, look.stage, look.level, look.message, {**look.data, "waited": samples / 10}))
        drawn(at, live, stream)
        assert at.raw[before:].count(b"\x1b[?7l") <= 1 + (time.monotonic() - began) / 0.25
        assert at.raw[before:].count(b"\x1b[?7l") < 100


@pytest.mark.parametrize(("term", "able"), [("xterm", True), ("dumb", False), ("", False)])
def test_where_a_screen_is_possible(term: str, able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    with terminal() as at, at.file() as stream:
        assert possible(stream) is able
    assert not possible(sys.__stdin__) or sys.__stdin__.isatty()  # type: ignore[union-attr]
