"""All tiers of tests, quickest first: `python -m tests`. Ends non-zero when any tier failed.

Tiers: lint (ruff, mypy, import-linter), unit (pure and fakes), cluster (the real control plane of the sandbox),
dataplane (real requests counted through the sandbox's gateway). What was skipped, and why, is told at the end.
HELM_SAFE_REQUIRE_CLUSTER=1 makes a skipped cluster or dataplane tier a failure.
After its time in UNTIL_AFTER no further test of a tier is begun: a slow machine ends in time too, says what it left out, and
has begun every tier.
`python -m tests full` is another command: every matrix whole, resumable; see tests/full.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.sampling import UNTIL

ROOT = Path(__file__).resolve().parent.parent
UNTIL_AFTER = {"cluster": 40 * 60, "dataplane": 62 * 60}  # seconds from the start of all
PYTEST = [sys.executable, "-m", "pytest", "-q", "--timeout=600"]
LINT = [
    [sys.executable, "-m", "ruff", "check", "."],
    [sys.executable, "-m", "ruff", "format", "--check", "."],
    [sys.executable, "-m", "mypy"],
    [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
]
TIERS: dict[str, list[list[str]]] = {
    "lint": LINT,
    "unit": [[*PYTEST, "-m", "not cluster and not dataplane"]],
    "cluster": [[*PYTEST, "-m", "cluster and not dataplane"]],
    "dataplane": [[*PYTEST, "-m", "dataplane"]],
}


def main(wanted: list[str]) -> int:
    begun, failed = time.time(), []
    for name in wanted or list(TIERS):
        started = time.monotonic()
        print(f"== {name}", flush=True)
        codes = [
            subprocess.run(command, cwd=ROOT, env=_environment(name, begun), check=False).returncode
            for command in TIERS[name]
        ]
        if any(codes):
            failed.append(name)
        print(f"== {name}: {'FAILED' if any(codes) else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
    print(f"{len(wanted or TIERS) - len(failed)} passed, {len(failed)} failed" + (f": {failed}" if failed else ""))
    return 1 if failed else 0


def _environment(tier: str, begun: float) -> dict[str, str]:
    until = {UNTIL: str(begun + UNTIL_AFTER[tier])} if tier in UNTIL_AFTER and UNTIL not in os.environ else {}
    return {**os.environ, "PYTHONPATH": str(ROOT), **until}


if __name__ == "__main__":
    if sys.argv[1:2] == ["full"]:
        from tests import full

        sys.exit(full.main(sys.argv[2:]))
    unknown = [name for name in sys.argv[1:] if name not in TIERS]
    if unknown:
        sys.exit(f"unknown tier {unknown[0]}; known: {', '.join(TIERS)}")
    sys.exit(main(sys.argv[1:]))
