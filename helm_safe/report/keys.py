"""Single keys from a terminal: its modes are changed on the way in and put back on every way out."""

from __future__ import annotations

import os
import select
import threading
from typing import Any, TextIO

try:
    import termios
    import tty
except ImportError:  # Windows
    SUPPORTED = False
else:
    SUPPORTED = True


class Keys:
    """Reads keys without Enter; Ctrl-C and Ctrl-Z keep their meaning."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, stream: TextIO) -> Keys | None:
        """None where nobody can press a key: no terminal, a background job, or a system without termios."""
        if not SUPPORTED or not stream.isatty():
            return None
        descriptor = stream.fileno()
        try:
            ours = os.tcgetpgrp(descriptor) == os.getpgrp()  # else changing the modes would stop us
        except OSError:
            return None
        return cls(descriptor) if ours else None

    def enter(self) -> None:
        if self._before is None:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)

    def leave(self) -> None:
        """Put the modes back, and forget keys that nobody read: they were not meant for the shell."""
        with self._lock:
            before, self._before = self._before, None
            if before is not None:
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
                termios.tcsetattr(self._descriptor, termios.TCSANOW, before)

    def read(self, seconds: float) -> str:
        """The key that was pressed within that time, else "". Pasted text and function keys are no keys."""
        try:
            return self._read(seconds)
        except (OSError, ValueError):
            self._before = None  # the terminal is gone
            return ""

    def _read(self, seconds: float) -> str:
        watched = [] if self._before is None else [self._descriptor]
        ready, _, _ = select.select(watched, [], [], seconds)
        with self._lock:  # what is typed after `leave` is somebody else's
            if not ready or self._before is None:
                return ""
            data = os.read(self._descriptor, 64)
            if not data:
                self._before = None  # the terminal is gone, and would say so at once every time
        return data.decode("ascii", "ignore") if len(data) == 1 else ""
