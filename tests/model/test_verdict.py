"""The decision table: first match wins, and what cannot be verified is always told."""

from __future__ import annotations

import pytest

from helm_safe.checks import CHECKS
from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.model.plan import Advice
from helm_safe.model.verdict import TABLE, Verdict, judge


def finding(check: str, severity: Severity = Severity.ERROR, status: Status = Status.FAIL) -> Finding:
    return Finding(check, severity, f"{check} says so", status=status)


def judged(*findings: Finding, undo: str = "") -> Verdict:
    return judge(findings, release="shop", current=3, target=1, undo=undo)


@pytest.mark.parametrize(
    ("checks", "undo", "advice"),
    [
        ((), "", Advice.ROLL_BACK),
        (("HIST-007",), "", Advice.HOLD),
        (("API-REM-001",), "", Advice.ROLL_FORWARD),
        (("DISK-001",), "", Advice.ROLL_FORWARD),
        (("DB-CONTRACT-001",), "alembic downgrade 1", Advice.ROLL_FORWARD),
        (("DB-FLOOR-001",), "", Advice.ROLL_FORWARD),
        (("DB-RESTRICT-001",), "alembic downgrade 1", Advice.BRIDGE),
        (("DB-RESTRICT-001",), "", Advice.ROLL_FORWARD),
        (("DB-INCOMPAT-001", "DB-BOOT-001"), "goose down", Advice.BRIDGE),
        (("DB-BOOT-001",), "migrate goto 1", Advice.BRIDGE),
        (("DB-BOOT-001",), "", Advice.ROLL_FORWARD),
        (("PVC-DEL-001",), "", Advice.BLOCKED),
        (("PVC-DEL-001", "DB-CONTRACT-001"), "x", Advice.ROLL_FORWARD),
        (("DB-CONTRACT-001", "DB-RESTRICT-001"), "x", Advice.ROLL_FORWARD),
    ],
)
def test_the_first_row_that_fits_decides(checks: tuple[str, ...], undo: str, advice: Advice) -> None:
    found = judged(*map(finding, checks), undo=undo)
    assert found.advice is advice
    assert found.why
    assert bool(found.way) == bool(found.reasons) == bool(checks)
    assert not any("{" in words for words in (*found.way, *found.unless, found.why))


@pytest.mark.parametrize("status", [Status.WAIVED, Status.UNVERIFIED])
def test_what_was_accepted_or_not_seen_decides_nothing(status: Status) -> None:
    found = judged(finding("DB-CONTRACT-001", status=status))
    assert found.advice is Advice.ROLL_BACK
    if status is Status.UNVERIFIED:
        assert found.unless == ("what could not be verified: DB-CONTRACT-001",)
        assert found.why == "nothing that is known stands against it"


def test_warnings_do_not_decide() -> None:
    assert judged(finding("DB-SEMANTIC-001", Severity.WARNING)).advice is Advice.ROLL_BACK


def test_every_check_of_the_table_exists() -> None:
    assert {check for row in TABLE for check in row.checks} <= set(CHECKS)
