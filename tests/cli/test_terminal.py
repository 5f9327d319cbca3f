"""A command that is shown on our terminal: it has one of the same size, keys reach it, and what it said is kept."""

from __future__ import annotations

import sys

import pytest

from helm_safe.cli.terminal import on_a_terminal
from tests.report.terminal import child, terminal

SHOWN = """
import os, sys
from helm_safe.cli import terminal
code = "import os, sys; print(sys.stdout.isatty(), *os.get_terminal_size(), os.environ['GIVEN'], input()); sys.exit(7)"
print(terminal.on_a_terminal())
done = terminal.show([sys.executable, "-c", code], {"GIVEN": "\\x1b[31mred\\x1b[0m"})
print("code", done.returncode, "given" if "GIVEN" in os.environ else "restored")
print("said", repr(done.stdout.splitlines()[-1]))
"""


def test_a_command_has_a_terminal_of_its_own() -> None:
    with terminal(91, 31) as at, child(at, "-c", SHOWN) as process:
        at.wait("True")
        at.type("typed\n")
        assert process.end() == 0
        assert at.lines[-2:] == ["code 7 restored", "said 'True 91 31 red typed'"]
        assert at.as_before


def test_nobody_looks_at_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not on_a_terminal()
    with terminal() as at, at.file() as stream:
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, stream)
        assert on_a_terminal()
        monkeypatch.setenv("HELM_SAFE_PLAIN", "1")
        assert not on_a_terminal()
