"""Baselines: what is known no longer fails a pipeline, what is new does."""

from __future__ import annotations

from pathlib import Path

import pytest

from helm_safe.cli import baseline
from helm_safe.cli.check import FAIL_ON, _fails
from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.model.errors import UsageError

OLD = Finding("AAA-001", Severity.ERROR, "old", "Secret/keys")
NEW = Finding("AAA-001", Severity.ERROR, "new", "Secret/other")
WARNING = Finding("BBB-001", Severity.WARNING, "a warning")
UNSEEN = Finding("CCC-001", Severity.ERROR, "not seen", status=Status.UNVERIFIED)


def test_what_is_known_is_accepted(tmp_path: Path) -> None:
    path = str(tmp_path / "baseline.json")
    baseline.write(path, [OLD, UNSEEN])
    found = baseline.known(path, [OLD._replace(message="told otherwise"), NEW, UNSEEN])
    assert [each.status for each in found] == [Status.WAIVED, Status.FAIL, Status.UNVERIFIED]
    assert found[0].waiver == f"known, in {path}"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 1}', '{"version": 1, "findings": [1]}', '{"version": 2, "findings": []}', "\x00"]
)
def test_a_file_that_is_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="--baseline"):
        baseline.known(str(path), [OLD])
    with pytest.raises(UsageError, match="--baseline"):
        baseline.known(str(tmp_path / "none"), [OLD])
    with pytest.raises(UsageError, match="--write-baseline"):
        baseline.write(str(tmp_path / "none" / "file"), [OLD])


def test_what_fails() -> None:
    failing = {level: [each.check for each in (OLD, WARNING, UNSEEN) if _fails(each, level)] for level in FAIL_ON}
    assert failing == {
        "error": ["AAA-001"],
        "warning": ["AAA-001", "BBB-001"],
        "unverified": ["AAA-001", "BBB-001", "CCC-001"],
    }
