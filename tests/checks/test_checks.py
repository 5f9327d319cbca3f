"""Every check against small worlds in which it must speak, and in which it must be silent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from pkgutil import iter_modules

import pytest

import helm_safe.checks
from helm_safe.checks import CHECKS
from helm_safe.checks.base import Check
from helm_safe.checks.catalogue import markdown
from helm_safe.checks.run import all_checks
from helm_safe.core.findings import Finding
from helm_safe.registry import resolve
from tests.checks.cases import CASES
from tests.checks.world import Case

HELPERS = {
    "base",
    "run",
    "facts",
    "past",
    "immutability",
    "secrets",
    "missing",
    "migrations",
    "catalogue",
    "doubles",
    "amounts",
    "schemas",
    "statements",
    "bridge",
    "boot",
    "engines",
    "rolling",
    "volumes",
    "probing",
    "settings",
}


def found(case: Case) -> list[Finding]:
    check: Check = resolve(CHECKS[case.check])
    return list(check.run(case.make()))


@pytest.mark.parametrize("case", [c for c in CASES if c.fires], ids=lambda c: f"{c.check}-{c.name}")
def test_it_fires(case: Case) -> None:
    findings = found(case)
    assert len(findings) == case.times, findings
    first = findings[0]
    assert first.check == case.check
    assert case.says in first.message
    assert first.object == case.object or not case.object
    assert first.severity.value == case.severity or not case.severity
    assert first.status.value == case.status
    assert case.evidence in " | ".join(first.evidence)
    assert any(each.severity.value == case.worst for each in findings) or not case.worst
    assert first.remediation or first.status.value == "unverified"


@pytest.mark.parametrize("case", [c for c in CASES if not c.fires], ids=lambda c: f"{c.check}-{c.name}")
def test_it_stays_quiet(case: Case) -> None:
    assert found(case) == []


@pytest.mark.parametrize("check_id", CHECKS)
def test_each_check_has_a_world_that_fires_and_one_that_is_quiet(check_id: str) -> None:
    kinds = Counter(case.fires for case in CASES if case.check == check_id)
    assert kinds[True] >= 1
    assert kinds[False] >= 1


def test_ids_in_the_table_are_those_of_the_checks() -> None:
    assert [check.id for check in all_checks()] == list(CHECKS)


def test_every_module_is_in_the_table() -> None:
    """A check that nobody lists would never run."""
    listed = {target.partition(":")[0].rpartition(".")[2] for target in CHECKS.values()}
    modules = {module.name for module in iter_modules(helm_safe.checks.__path__)}
    assert modules - HELPERS == listed


def test_words_are_complete() -> None:
    for check in all_checks():
        assert check.title
        assert check.summary.endswith(".")
        assert check.remedy.endswith(".")


def test_the_documentation_is_up_to_date() -> None:
    """Write it anew with: python -m helm_safe.checks.catalogue > docs/checks.md"""
    written = Path(__file__).parents[2] / "docs" / "checks.md"
    assert written.read_text(encoding="utf-8") == markdown()
