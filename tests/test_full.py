"""`python -m tests full`: counts honestly, goes on where it stopped; and the samples of every day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import full

SUITE = """
import pytest
@pytest.mark.parametrize("n", range({cases}))
def test_matrix(n):
    assert n != {bad}
@pytest.mark.skip
def test_skipped(): ...
"""


def part(folder: Path, cases: int = 3, bad: int = -1) -> full.Part:
    (folder / "test_it.py").write_text(SUITE.format(cases=cases, bad=bad))
    return [[sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder), str(folder)]]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder and a page of results of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(full, "RESULTS", full.ROOT / "docs" / ".." / os.path.relpath(tmp_path, full.ROOT) / "page.md")
    monkeypatch.setattr(full, "_key", lambda: "commit")
    return tmp_path


def test_tests_are_counted_one_by_one(tmp_path: Path) -> None:
    outcome = full.run([*part(tmp_path, cases=4, bad=2), [sys.executable, "-c", ""]])
    assert {word: outcome[word] for word in ("ok", "passed", "failed", "skipped")} == {
        "ok": False, "passed": 4, "failed": 1, "skipped": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "commands",
    [
        [[sys.executable, "-m", "pytest", "-q", "/nowhere-at-all"]],
        [[sys.executable, "-c", "import time; time.sleep(60)"]],
        [[sys.executable, "-c", "raise SystemExit(3)"]],
    ],
)
def test_what_could_not_run_has_failed(commands: full.Part) -> None:
    outcome = full.run(commands, limit=2.0)
    assert (outcome["ok"], outcome["failed"]) == (False, 1)


def test_it_goes_on_where_it_stopped(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passed parts are kept, the failed one runs again, and the page tells what never ran."""
    log = alone / "log"
    step = [sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit(int(sys.argv[3]))"]
    known = {name: [[*step, str(log), name, code]] for name, code in (("a", "0"), ("b", "1"), ("c", "0"))}
    monkeypatch.setattr(full, "parts", lambda _: known)
    assert full.main(["a", "b"]) == 1
    assert "| b | 0 | 1 | 0 |" in full.RESULTS.read_text()
    assert "| c | not run |" in full.RESULTS.read_text()
    known["b"][0][-1] = "0"
    assert full.main([]) == 0
    assert log.read_text() == "abbc"
    assert "| b | 1 | 0 | 0 |" in full.RESULTS.read_text()
    (kept,) = (alone / "helm-safe" / "tests").glob("*.json")
    assert set(json.loads(kept.read_text())) == {"a", "b", "c"}


def test_the_page_names_what_it_ran_on() -> None:
    done = {"unit": {"passed": 1, "failed": 2, "skipped": 3, "seconds": 4, "at": "2026-01-01T00:00:00+00:00"}}
    page = full.report(done, ["unit", "cluster"])
    assert "| unit | 1 | 2 | 3 | 4 | 2026-01-01T00:00:00+00:00 |" in page
    assert "| cluster | not run |" in page
    assert "commit: " in page
    assert str(Path.home()) not in page


SAMPLED = """
import pytest
@pytest.mark.matrix(3)
@pytest.mark.parametrize("n", range(20))
def test_matrix(n): print(f"case-{n}.")
def test_other(): ...
"""


def sampled(folder: Path, seed: str, whole: str = "", *words: str) -> str:
    (folder / "test_sampled.py").write_text(SAMPLED)
    (folder / "conftest.py").write_text("from tests.sampling import *")
    environment = {**os.environ, "PYTHONPATH": str(full.ROOT), "HELM_SAFE_SEED": seed, "HELM_SAFE_FULL": whole}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-vs",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
    ]
    given = words or (str(folder / "test_sampled.py"),)
    done = subprocess.run([*command, *given], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def cases(told: str) -> set[int]:
    return {number for number in range(20) if f"case-{number}." in told}


def test_a_matrix_is_sampled_by_its_seed(tmp_path: Path) -> None:
    """The same cases for the same seed, others for another, all in a full run; the seed is told."""
    first = sampled(tmp_path, "1")
    assert "HELM_SAFE_SEED=1" in first
    assert len(cases(first)) == 3
    assert "4 passed, 17 deselected" in first
    assert cases(sampled(tmp_path, "1")) == cases(first)
    assert cases(sampled(tmp_path, "2")) != cases(first)
    assert len(cases(sampled(tmp_path, "1", "1"))) == 20
    (absent,) = sorted(set(range(20)) - cases(first))[:1]
    assert cases(sampled(tmp_path, "1", "", f"test_sampled.py::test_matrix[{absent}]")) == {absent}
