"""The program on a terminal, in a pipe and for a screen reader, with a whole run on fakes behind it."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helm_safe.cli import options, watching
from helm_safe.report.live import JsonLinesReporter, TextReporter
from helm_safe.report.screen import Screen
from tests.report.terminal import ENVIRONMENT, ROOT, child, terminal
from tests.report.test_screen import assert_clean

RUN = ("-m", "tests.report.shop_run")
COMMAND = ("checkout-api", "1", "--yes")


def piped(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    known = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "HELM_SAFE_PLAIN")}
    return subprocess.run(
        [sys.executable, *RUN, str(folder), *arguments], capture_output=True, check=False, cwd=ROOT, timeout=60,
        stdin=subprocess.DEVNULL, env={**known, **ENVIRONMENT, **environment},
    )  # fmt: skip


def test_a_whole_run_on_a_terminal(tmp_path: Path) -> None:
    """Pausing and going on by keys; the last frame and the closing words stay; the terminal is clean."""
    with terminal(100, 40) as at, child(at, *RUN, str(tmp_path), *COMMAND) as process:
        at.wait("GATE at 10 %")
        at.type("p")
        at.wait("PAUSED")
        at.type("p")
        at.wait("you asked for this: resume")
        assert process.end(60) == 0
        assert_clean(at)
        assert "ENDED  SUCCEEDED" in at.text
        assert "\ncheckout-api is back at revision 1, as revision 3." in at.text.partition("ENDED")[2]
        assert at.text.count("TRAFFIC") == 1


def test_ctrl_c(tmp_path: Path) -> None:
    """The run stops at a safe point, says how it goes on, and leaves the terminal as it was."""
    with terminal() as at, child(at, *RUN, str(tmp_path), *COMMAND) as process:
        at.wait("GATE at 10 %")
        at.type("\x03")
        assert process.end() == 130
        assert_clean(at)
        assert "TRAFFIC" in at.text
        assert "resume checkout-api -n prod" in at.text.replace("\n", "")
        assert "KEYS" not in "\n".join(at.lines)


def test_abort_by_keys(tmp_path: Path) -> None:
    """Two presses of a end the run with everything put back."""
    with terminal() as at, child(at, *RUN, str(tmp_path), *COMMAND) as process:
        at.wait("GATE at 10 %")
        at.type("a")
        at.wait("press a again")
        at.type("a")
        assert process.end() == 1
        assert_clean(at)
        assert "ENDED  ABORTED: aborted on request" in at.text


def test_the_question_comes_before_the_screen(tmp_path: Path) -> None:
    with terminal(100, 40) as at, child(at, *RUN, str(tmp_path), "checkout-api", "1") as process:
        at.wait("[y/N]")
        assert at.as_before
        at.type("no\n")
        assert process.end() == 3
        assert at.as_before
        assert "TRAFFIC" not in at.text


def test_lines_for_a_screen_reader(tmp_path: Path) -> None:
    """Nothing is drawn, nothing moves, no mode changes."""
    with terminal(200, 50) as at, child(at, *RUN, str(tmp_path), *COMMAND, "--plain", NO_COLOR="1") as process:
        at.wait("10 % of the users")
        assert at.as_before
        assert process.end(60) == 0
        assert set(re.findall(rb"\x1b[^m]*m", at.raw)) <= {b"\x1b[1m", b"\x1b[2m", b"\x1b[0m"}
        assert at.raw.count(b"\x1b") == len(re.findall(rb"\x1b[^m]*m", at.raw))


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (["--plain"], {}),
        ([], {"HELM_SAFE_PLAIN": "1"}),
        ([], {"TERM": "dumb"}),
        (["-o", "json"], {}),
        (["-o", "jsonl"], {}),
    ],
)
def test_where_lines_are_chosen(flags: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By flag, by environment, by the terminal, and where stdout carries data."""
    parser = argparse.ArgumentParser()
    options.add_watching(parser)
    monkeypatch.delenv("HELM_SAFE_PLAIN", raising=False)
    with terminal() as at, at.file() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        with watching.watching(parser.parse_args([])) as reporter:
            assert isinstance(reporter, Screen)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with watching.watching(parser.parse_args(flags)) as reporter:
            assert isinstance(reporter, (TextReporter, JsonLinesReporter))


def test_lines_in_a_pipe(tmp_path: Path) -> None:
    """Lines only, without escape bytes, in the characters of a legacy encoding."""
    done = piped(tmp_path, *COMMAND, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"SHIFT    +" in done.stdout
    assert done.stdout.isascii()


def test_json(tmp_path: Path) -> None:
    """`-o jsonl` is one object a line, `-o json` one document with the lines on stderr."""
    lines = piped(tmp_path, *COMMAND, "-o", "jsonl").stdout.splitlines()
    kinds = [json.loads(line).get("data", {}).get("kind") for line in lines]
    assert kinds[-1] == "end"
    assert {"plan", "step", "weights", "gate"} <= set(kinds)
    done = piped(tmp_path / "again", *COMMAND, "-o", "json")
    assert json.loads(done.stdout)["end"] == "SUCCEEDED"
    assert "SHIFT    ✔" in done.stderr.decode()
    assert b"\x1b" not in done.stderr
