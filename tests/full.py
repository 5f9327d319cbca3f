"""Every matrix whole: `python -m tests full [PART ...]`. Each part takes less than an hour.

What has passed is kept in the user's cache folder, per commit and per local changes: after an interruption the same
command goes on with the part that was interrupted or failed. The last result is written to docs/test-results.md.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from helm_safe import __version__
from helm_safe.files import write_private
from helm_safe.sandbox.pins import HELM3, HELM4, KUBERNETES

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "test-results.md"
LIMIT = 3600.0
PYTEST = [sys.executable, "-m", "pytest", "-q", "--timeout=600"]
DECISIONS = "tests/dataplane/test_decisions.py"
TROUBLE = ("tests/cluster/test_faults.py", "tests/cluster/test_takeover.py")
OLDEST = "oldest-kubernetes"  # the lower end of the range that pyproject.toml gives

Part = list[list[str]]
Outcome = dict[str, Any]


def parts(cache: Path) -> dict[str, Part]:
    """Name -> its commands; those of pytest are counted test by test. The quickest part comes first."""
    from tests.__main__ import LINT

    return {
        "lint": LINT,
        "unit": [[*PYTEST, "-m", "not cluster and not dataplane"]],
        OLDEST: _oldest_kubernetes(cache / OLDEST),
        "cluster": [[*PYTEST, "-m", "cluster and not dataplane", *(f"--ignore={each}" for each in TROUBLE)]],
        "faults": [[*PYTEST, TROUBLE[0]]],
        "takeovers": [[*PYTEST, TROUBLE[1]]],
        "dataplane": [[*PYTEST, "-m", "dataplane", "-k", "not killed", f"--ignore={DECISIONS}"]],
        "decisions": [[*PYTEST, "-s", DECISIONS]],
        "kills": [[*PYTEST, "-m", "dataplane", "-k", "killed"]],
    }


def _oldest_kubernetes(folder: Path) -> Part:
    """What touches the official client, against the oldest one that may be installed, in an environment of its own."""
    (oldest,) = re.findall(r'"kubernetes>=(\d+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    python = str(folder / "bin" / "python")
    wanted = [f"kubernetes=={oldest}.*", "pytest", "pytest-timeout", "hypothesis"]
    proof = f"import kubernetes as k; assert k.__version__.startswith('{oldest}.'), k.__version__"
    return [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [python, "-m", "pip", "install", "-q", "-e", ".", *wanted],
        [python, "-c", proof],
        [python, "-m", "pytest", "-q", "--timeout=600", "tests/kube"],
    ]


def main(wanted: list[str]) -> int:
    cache = _cache()
    known = parts(cache)
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"unknown part {unknown[0]}; known: {', '.join(known)}")
    progress = Progress(cache / f"{_key()}.json")
    print(f"progress: {progress.path} (remove it to begin anew)", flush=True)
    for name in wanted or known:
        if progress.done.get(name, {}).get("ok"):
            print(f"== {name}: passed before, kept", flush=True)
            continue
        print(f"== {name}", flush=True)
        outcome = run(known[name])
        progress.note(name, outcome)
        RESULTS.write_text(report(progress.done, list(known)), encoding="utf-8")
        print(f"== {name}: {'passed' if outcome['ok'] else 'FAILED'} in {outcome['seconds']} s", flush=True)
    RESULTS.write_text(report(progress.done, list(known)), encoding="utf-8")
    failed = [name for name in wanted or known if not progress.done[name]["ok"]]
    print(f"written to {RESULTS.relative_to(ROOT)}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


class Progress:
    """The outcomes so far, on disk after each part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, Outcome] = {}
        if path.exists():
            try:
                self.done = dict(json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                print(f"{path} cannot be read and is begun anew", flush=True)

    def note(self, name: str, outcome: Outcome) -> None:
        self.done[name] = outcome
        write_private(self.path, json.dumps(self.done, indent=1).encode())


def run(commands: Part, limit: float = LIMIT) -> Outcome:
    """Carry out the commands of a part, also after one has failed. The whole may take `limit` seconds."""
    began, counts, ok = time.monotonic(), {"passed": 0, "failed": 0, "skipped": 0}, True
    for command in commands:
        left = limit - (time.monotonic() - began)
        code, counted = _one(command, left)
        ok = ok and code == 0
        for word, count in counted.items():
            counts[word] += count
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"ok": ok, **counts, "seconds": round(time.monotonic() - began), "at": at}


def _one(command: list[str], seconds: float) -> tuple[int, Mapping[str, int]]:
    """Exit code and counts: of pytest its tests, of anything else itself."""
    pytest = command[1:3] == ["-m", "pytest"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "junit.xml"
        words = [*command, f"--junitxml={file}"] if pytest else command
        try:
            code = subprocess.run(
                words, cwd=ROOT, env=_environment(), check=False, timeout=max(1.0, seconds)
            ).returncode
        except subprocess.TimeoutExpired:
            print(f"stopped: the part took longer than {LIMIT / 60:.0f} minutes", flush=True)
            code = 124
        if pytest:
            counted = _counts(file)
            return code, counted if counted["failed"] or not code else {**counted, "failed": 1}
    return code, {"failed" if code else "passed": 1}


def _counts(file: Path) -> dict[str, int]:
    """passed, failed and skipped of a JUnit file of our own pytest."""
    if not file.exists():
        return {"passed": 0, "failed": 0, "skipped": 0}
    suites = list(ET.parse(file).getroot().iter("testsuite"))  # noqa: S314 - written by the process just started
    total, failures, errors, skipped = (
        sum(int(each.get(word, 0)) for each in suites) for word in ("tests", "failures", "errors", "skipped")
    )
    return {"passed": total - failures - errors - skipped, "failed": failures + errors, "skipped": skipped}


def report(done: Mapping[str, Outcome], known: list[str]) -> str:
    """The page in docs/: what ran, on what, and what did not run."""
    rows = [
        f"| {name} | {each['passed']} | {each['failed']} | {each['skipped']} | {each['seconds']} | {each['at']} |"
        if (each := done.get(name))
        else f"| {name} | not run | | | | |"
        for name in known
    ]
    client = importlib.metadata.version("kubernetes")
    return "\n".join(
        [
            "# The last full run of the tests",
            "",
            "Written by `python -m tests full`, which runs every matrix whole (`.ci/run` runs a sample of each).",
            "",
            f"- commit: {_commit()}",
            f"- helm-safe {__version__}, Python {platform.python_version()}, kubernetes client {client}",
            f"- sandbox: Kubernetes {KUBERNETES}, Helm {HELM3} and {HELM4}",
            f"- machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "",
            "| part | passed | failed | skipped | seconds | ended |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HELM_SAFE_FULL": "1", "HELM_SAFE_REQUIRE_CLUSTER": "1"}


def _cache() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / "helm-safe" / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _changes() -> str:
    """Local changes but those to the results themselves."""
    paths = ("--", ".", ":!docs/test-results.md")
    return _git("diff", "HEAD", *paths) + _git("ls-files", "-o", "--exclude-standard", *paths)


def _key() -> str:
    changes = _changes()
    digest = hashlib.sha256(changes.encode()).hexdigest()[:12]
    return _git("rev-parse", "HEAD") + (f"-{digest}" if changes else "")


def _commit() -> str:
    return _git("rev-parse", "--short=12", "HEAD") + (" with local changes" if _changes() else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
