"""A command on a terminal of its own that shows on ours: what it draws is seen, and what it said is kept."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SIZED = 'stty cols "$1" rows "$2"; shift 2; exec "$@"'  # from its first moment on, not only from its first word
MOVES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def on_a_terminal() -> bool:
    """Whether somebody looks, and wants more than lines."""
    looks = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return looks and not os.environ.get("HELM_SAFE_PLAIN")


def show(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end; keys and Ctrl-C are its own, and it follows the size of our terminal."""
    said = bytearray()

    def read(master: int) -> bytes:
        fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(sys.stdout, termios.TIOCGWINSZ, bytes(8)))
        data = os.read(master, 65536)
        said.extend(data)
        return data

    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    with _environment(env):
        status = pty.spawn(["sh", "-c", SIZED, "sh", str(columns), str(rows), *command], read)
    code = os.waitstatus_to_exitcode(status)
    text = MOVES.sub("", said.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    return subprocess.CompletedProcess(command, code, text, "")


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """pty.spawn gives on what we have, and arguments would be seen by everybody."""
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
