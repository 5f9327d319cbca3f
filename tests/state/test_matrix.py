"""The verdict matrix with the tools that install anywhere; the whole of it: python -m tests.state.matrix."""

from __future__ import annotations

import os

import pytest

from tests.state import matrix

EVERYWHERE = ("Alembic", "Django")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_what_is_said_is_what_happens(kind: str) -> None:
    outcomes = list(matrix.play((kind,), EVERYWHERE, sample=1 if os.environ.get("HELM_SAFE_FULL") else 3))
    assert len(outcomes) >= 5
    assert [each for each in outcomes if not each.right] == []
    assert all(each.named for each in outcomes)
    assert {each.exact for each in outcomes} == {"safe", "unsafe"}
