"""The detective's story on the real control plane, with some of its failures."""

from __future__ import annotations

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.failing import FAILURES
from helm_safe.sandbox.demo.inquests import Inquest

pytestmark = pytest.mark.cluster
# What is played on the node would reach the tests beside this one.
SOME = ("out of memory", "schema ahead of the code", "both revisions alike", "registry down")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("failure", [each for each in FAILURES if each.name in SOME], ids=lambda each: each.name)
def test_the_true_cause_and_what_helps(sandbox: Sandbox, failure: object) -> None:
    """What the pod agent plays for the story is what the autopsy names."""
    found = Inquest(sandbox, 4, failure).hold()  # type: ignore[arg-type]
    assert found.right, found
