"""The list of checks for people: `python -m helm_safe.checks.catalogue > docs/checks.md`."""

from __future__ import annotations

import sys

from helm_safe.checks.base import Check
from helm_safe.checks.run import all_checks

_HEAD = """# Pre-checks

Every check of `helm safe-rollback plan` and `check`, in the order in which they run. Ids are permanent. An `error`
blocks the rollback; `--accept ID="reason"` lets it through and is written into the journal. The severity is the usual
one: a finding may be milder where the evidence is. What could not be looked at is reported as `unverified`, never as
ok.

Each has a page with an example of its input and of what it says, which a test runs.

This page is generated: `python -m helm_safe.checks.catalogue > docs/checks.md`.

| id | severity | title | can be accepted | reads |
|---|---|---|---|---|
"""


def markdown() -> str:
    """The whole page."""
    checks = all_checks()
    return _HEAD + "".join(map(_row, checks))


def _row(check: Check) -> str:
    reads = ", ".join(sorted({kind for _, kind in check.needs})) or "release records"
    accepted = "yes" if check.waivable else "no"
    return f"| [{check.id}](checks/{check.id}.md) | {check.severity.value} | {check.title} | {accepted} | {reads} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
