"""A terminal for tests: a real pseudo-terminal, and an emulator that shows what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyte

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {"TERM": "xterm-256color", "TZ": "UTC", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}


def resize(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """Both ends of a pseudo-terminal. raw: every byte that was written to it; `lines` is what is to be seen."""

    def __init__(self, columns: int, rows: int) -> None:
        self.master, self.slave = pty.openpty()
        self.columns, self.rows = columns, rows
        resize(self.slave, columns, rows)
        self.modes: list[Any] = termios.tcgetattr(self.slave)
        self.raw = b""
        self.screen = pyte.HistoryScreen(columns, rows, history=2000, ratio=1)
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._open = True
        self._reader.start()

    def _read(self) -> None:
        while self._open:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if not ready:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self._lock:
                self._stream.feed(data)
                self.raw += data  # now it is to be seen as well

    @property
    def lines(self) -> list[str]:
        with self._lock:
            found = [line.rstrip() for line in self.screen.display]
        while found and not found[-1]:
            found.pop()
        return found

    @property
    def scrolled(self) -> list[str]:
        """What has left the screen at its top."""
        with self._lock:
            rows = list(self.screen.history.top)
        return ["".join(row[at].data for at in range(self.columns)).rstrip() for row in rows]

    @property
    def text(self) -> str:
        return "\n".join([*self.scrolled, *self.lines])

    @property
    def cursor_shown(self) -> bool:
        return not self.screen.cursor.hidden

    @property
    def as_before(self) -> bool:
        """Whether the modes of the terminal are those of the beginning."""
        return bool(termios.tcgetattr(self.slave) == self.modes)

    def resize(self, columns: int, rows: int, *, reflow: bool = False) -> None:
        """reflow: as most terminals do, lines that are too wide become several; xterm cuts them."""
        with self._lock:
            if reflow:
                shown = [line.rstrip() for line in self.screen.display[: self.screen.cursor.y]]
                self.screen = pyte.HistoryScreen(columns, rows, history=2000, ratio=1)
                self._stream = pyte.ByteStream(self.screen)
                self._stream.feed("".join(line + "\r\n" for line in shown).encode())
            else:
                self.screen.resize(rows, columns)
            self.columns, self.rows = columns, rows
        resize(self.slave, columns, rows)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait(self, words: str, seconds: float = 20.0) -> None:
        """Until the words are on the screen."""
        self.until(lambda: words in self.text, f"{words!r} to come", seconds)

    def until(self, true: Any, words: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"waited for {words}; there is:\n{self.text}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Until nothing more is written."""
        before = None
        while before != len(self.raw):
            before = len(self.raw)
            time.sleep(0.15)

    def file(self, encoding: str = "utf-8") -> TextIO:
        return os.fdopen(os.dup(self.slave), "w", encoding=encoding)

    def close(self) -> None:
        self._open = False
        self._reader.join()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def terminal(columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    made = Terminal(columns, rows)
    try:
        yield made
    finally:
        made.close()


class Child:
    """A process whose terminal this is."""

    def __init__(self, at: Terminal, arguments: Sequence[str], **environment: str) -> None:
        self.terminal = at
        env = {
            key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "HELM_SAFE_PLAIN", "COLORTERM")
        }
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=at.slave, stdout=at.slave, stderr=at.slave, cwd=ROOT,
            env={**env, **ENVIRONMENT, **environment}, preexec_fn=_lead(at.slave),  # noqa: PLW1509 - it needs this terminal
        )  # fmt: skip

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = 20.0) -> int:
        """Its exit code; what it wrote has been read."""
        code = self.process.wait(seconds)
        self.terminal.settle()
        return code


def _lead(slave: int) -> Any:
    def lead() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return lead


@contextmanager
def child(at: Terminal, *arguments: str, **environment: str) -> Iterator[Child]:
    made = Child(at, arguments, **environment)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()
