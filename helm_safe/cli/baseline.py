"""Baselines of `check`: findings that are known already, so that a pipeline fails only for new ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helm_safe.core.findings import Finding, Status
from helm_safe.model.errors import UsageError

VERSION = 1


def known(path: str, findings: Sequence[Finding]) -> list[Finding]:
    """The same findings, those of the file as accepted. Raises UsageError for a file that is none of ours."""
    listed = _read(path)
    words = f"known, in {path}"
    return [
        each._replace(status=Status.WAIVED, waiver=words)
        if each.status is Status.FAIL and _key(each) in listed
        else each
        for each in findings
    ]


def write(path: str, findings: Sequence[Finding]) -> None:
    """What fails now, as a baseline. Raises UsageError where the file cannot be written."""
    keys = sorted({_key(each) for each in findings if each.status is Status.FAIL})
    rows = [dict(zip(("check", "object", "field"), key, strict=True)) for key in keys]
    text = json.dumps({"version": VERSION, "findings": rows}, indent=2) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--write-baseline {path}: {error.strerror}", "Name a file that can be written.") from error


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.check, finding.object, finding.field


def _read(path: str) -> set[tuple[str, str, str]]:
    try:
        body: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            raise UsageError(f"--baseline {path}: version {body['version']} is not known", "Write it anew.")
        return {(str(row["check"]), str(row.get("object", "")), str(row.get("field", ""))) for row in body["findings"]}
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror}", "`--write-baseline` makes one.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--baseline {path} is no baseline", "`--write-baseline` makes one.") from error
