"""The pages of the checks say what the checks really say."""

from __future__ import annotations

import pytest

from helm_safe.checks import CHECKS
from helm_safe.registry import resolve
from tests.checks.pages import FOLDER, page


@pytest.mark.parametrize("check_id", CHECKS)
def test_the_example_of_a_page_is_what_happens(check_id: str) -> None:
    """Write them anew with: python -m tests.checks.pages"""
    assert (FOLDER / f"{check_id}.md").read_text(encoding="utf-8") == page(resolve(CHECKS[check_id]))


def test_there_is_a_page_for_each_check_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(CHECKS)
    assert len(CHECKS) >= 60
