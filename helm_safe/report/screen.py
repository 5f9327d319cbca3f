"""The live screen of a run: a frame that is redrawn in place, and above it the lines that shall last.

It writes what it must and nothing else: a frame goes over the old one in a single write, at most four times a second,
and a terminal that is left, however, has its cursor, its modes and the last frame.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TextIO, final

from rich.text import Text

from helm_safe.model.board import Board
from helm_safe.model.board_fold import fold, notable
from helm_safe.model.events import Event, Level
from helm_safe.ports import Clock
from helm_safe.report.charset import glyphs_of, legible, one_cell, told_in
from helm_safe.report.console import console
from helm_safe.report.frame import Frame
from helm_safe.report.keys import Keys
from helm_safe.report.live import TextReporter, styled

TICK = 0.25  # seconds between two frames at least
SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"
WRAP, CROP = "\x1b[?7h", "\x1b[?7l"
ERASE_LINE, ERASE_BELOW = "\x1b[K", "\x1b[J"
SURE = "press a again to abort the run, any other key to go on"
ENDINGS = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]

Press = Callable[[str], str]
"""Asks the run for something (pause, resume, promote, abort), and answers what became of it, in words."""


@final
class Screen:
    """A Reporter for terminals. Lines until the course of the run is known, a live frame from then to its end."""

    def __init__(
        self, clock: Clock, *, no_color: bool = False, stream: TextIO | None = None, keys: Keys | None = None
    ) -> None:
        self._clock = clock
        self._stream = stream or sys.stdout
        self._encoding = self._stream.encoding or "ascii"
        self._console = console(no_color=no_color, stream=self._stream)
        self._plain = TextReporter(no_color=no_color, stream=self._stream)
        self._keys = keys
        self._press: Press | None = None
        self._command = ""
        self._lock = threading.RLock()
        self._board = Board()
        self._before: dict[int, Any] = {}
        self._live = False
        self._painter: threading.Thread | None = None
        self._stop = threading.Event()
        self._drawn: list[int] = []  # cells of each line of the frame on the terminal
        self._seen: tuple[Any, ...] = ()  # what the frame on the terminal was made of
        self._asking = False
        self._paused = False

    def connect(self, press: Press, command: str) -> None:
        """From now on keys have an effect. command: how the same is done from elsewhere."""
        self._press, self._command = press, command

    def __enter__(self) -> Screen:
        if threading.current_thread() is threading.main_thread():
            for number in ENDINGS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._before[number] = signal.signal(number, _leave_now)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def event(self, event: Event) -> None:
        kind = event.data.get("kind")
        with self._lock:
            self._board = fold([told_in(event, self._encoding)], self._board)
            self._paused = self._paused and not self._board.paused and kind != "step"  # from here on the run tells
            if not self._live:
                self._plain.event(event)
            elif notable(event) and kind != "end":
                self._guarded(lambda: self._draw(above=[styled(event)]))
        if kind == "plan" and not self._live:
            self._open()
        elif kind == "end":
            self.close()

    def close(self) -> None:
        """Leave the last frame on the terminal, and the terminal as it was."""
        with self._lock:
            if self._live:
                self._guarded(lambda: self._draw(closed=True))
                self._leave()
        painter, self._painter = self._painter, None
        if painter and painter is not threading.current_thread():
            painter.join()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The terminal as other programs expect it, e.g. for a question; afterwards the frame is below."""
        with self._lock:
            live = self._live
            if live:
                self._write(self._erased())
                self._release()
            try:
                yield
            finally:
                if live:
                    self._take()
                    self._guarded(self._draw)

    # --- the terminal ---

    def _open(self) -> None:
        self._live = True
        self._stop.clear()
        atexit.register(self._leave)
        self._take()
        if hasattr(signal, "SIGTSTP") and threading.current_thread() is threading.main_thread():
            self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stopped)
        self._guarded(self._draw)
        self._painter = threading.Thread(target=self._paint, name="screen", daemon=True)
        self._painter.start()

    def _leave(self) -> None:
        self._stop.set()
        if self._live:
            self._live = False
            self._release()
            atexit.unregister(self._leave)

    def _take(self) -> None:
        self._drawn, self._seen = [], ()
        if self._keys:
            with suppress(Exception):  # without keys there are still the commands
                self._keys.enter()
        self._write(HIDE)

    def _release(self) -> None:
        """Whatever happens to the stream, the modes of the terminal are put back."""
        try:
            self._write(SHOW + WRAP)
        finally:
            if self._keys:
                with suppress(Exception):
                    self._keys.leave()

    def _stopped(self, *_: object) -> None:
        """Ctrl-Z: the shell gets a clean terminal, and the frame is drawn anew when the run is back."""
        with self.suspended():
            os.kill(os.getpid(), signal.SIGSTOP)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError, RuntimeError):  # a terminal that is gone stops no run
            self._stream.write(text)
            self._stream.flush()

    # --- the frame ---

    def _paint(self) -> None:
        """The clock goes on between events; a frame that would be the same is not drawn."""
        while not self._stop.is_set():
            key = self._keys.read(TICK) if self._keys else self._waited()
            with self._lock:
                if key and self._live:
                    self._pressed(key)
                if self._live and self._state() != self._seen:
                    self._guarded(self._draw)

    def _waited(self) -> str:
        self._stop.wait(TICK)
        return ""

    def _state(self) -> tuple[Any, ...]:
        return self._board, int(self._board.elapsed(self._clock.now())), self._size(), self._asking, self._paused

    def _size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return (columns or 80), (rows or 24)

    def _draw(self, above: Sequence[Text] = (), *, closed: bool = False) -> None:
        width, height = self._size()
        lines = self._frame(closed=closed).lines(width, max(height - 1, 1))
        self._seen = self._state()
        out = self._up(width) + (ERASE_BELOW if above else "")
        lasting = [legible(self._ansi(line), self._encoding) + "\n" for line in above]
        rows = [one_cell(self._ansi(line), self._encoding) + ERASE_LINE + "\n" for line in lines]
        self._write("".join([out, *lasting, CROP, *rows, ERASE_BELOW, WRAP]))
        self._drawn = [line.cell_len for line in lines]

    def _frame(self, *, closed: bool) -> Frame:
        keys = self._meanings() if self._press and self._keys else ()
        asking = SURE if self._asking else ""
        command = self._command
        return Frame(self._board, self._clock.now(), glyphs_of(self._encoding), keys, command, asking, closed)

    def _up(self, width: int) -> str:
        """To the first line of the old frame: lines that are wider than a terminal that shrank became several."""
        rows = sum(max(1, -(-cells // width)) for cells in self._drawn)
        return f"\x1b[{rows}A\r" if rows else "\r"

    def _erased(self) -> str:
        up = self._up(self._size()[0]) + ERASE_BELOW
        self._drawn = []
        return up

    def _ansi(self, line: Text) -> str:
        with self._console.capture() as got:
            self._console.print(line, soft_wrap=True, end="")
        return got.get()

    def _guarded(self, draw: Callable[[], None]) -> None:
        """A fault of the screen is no fault of the run: lines go on where the frame cannot."""
        try:
            draw()
        except Exception as fault:  # noqa: BLE001 - whatever it is
            self._leave()
            words = f"the screen met a fault of its own ({type(fault).__name__}); lines from here on"
            self._plain.event(Event(self._clock.now(), "PLAN", Level.WARNING, words))

    # --- keys ---

    def _meanings(self) -> Sequence[tuple[str, str]]:
        paused = self._paused or self._board.paused
        go_on = "approve" if self._board.waiting else "promote"
        return (("p", "resume" if paused else "pause"), ("g", go_on), ("a", "abort"))

    def _pressed(self, key: str) -> None:
        """Abort is asked twice."""
        asked, self._asking = self._asking, False
        if self._press is None:
            return
        if key == "a" and not asked:
            self._asking = True
        elif key == "a":
            self._ask("abort")
        elif key == "p" and not asked:
            paused = self._paused or self._board.paused
            self._paused = not paused
            self._ask("resume" if paused else "pause")
        elif key == "g" and not asked:
            self._ask("promote")

    def _ask(self, verb: str) -> None:
        """It takes a request to the API server, for which the clock does not stand still."""
        threading.Thread(target=self._answer, args=(verb,), name=f"ask {verb}", daemon=True).start()

    def _answer(self, verb: str) -> None:
        words = self._press(verb) if self._press else ""
        with self._lock:
            active = self._board.active
            said = Event(self._clock.now(), active.stage if active else "PLAN", Level.INFO, words)
            if self._live:
                self._guarded(lambda: self._draw(above=[styled(said)]))
            else:
                self._plain.event(said)


def _leave_now(number: int, _: FrameType | None) -> NoReturn:
    """End as a signal ends a program, but by way of all clean-ups."""
    raise SystemExit(128 + number)


def possible(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can be drawn on."""
    dumb = os.name != "nt" and os.environ.get("TERM", "") in ("", "dumb", "unknown")
    return stream.isatty() and not dumb and not console(stream=stream).legacy_windows
