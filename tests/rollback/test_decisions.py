"""A sample of `python -m benchmarks decisions`: whole rollbacks over simulated users end as they should."""

from __future__ import annotations

import pytest

from benchmarks.decisions import SCENARIOS, Scenario, decide, row


@pytest.mark.matrix(12)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_a_scenario_ends_as_it_should(scenario: Scenario) -> None:
    found = decide(scenario, seed=1)
    assert scenario.holds(found), found


def test_the_table_tells_wrong_decisions() -> None:
    """A benchmark that could not fail would prove nothing."""
    easy = SCENARIOS[0]
    promoted = decide(easy, seed=1)
    never = next(each for each in SCENARIOS if each.name == "target 30% bad, current 0%")
    assert row(easy, [promoted])[1]
    line, holds = row(never, [promoted])
    assert not holds
    assert line.startswith("FAIL")
    stopped = decide(never, seed=1)
    assert row(easy, [promoted] * 19 + [stopped])[1] is False
    assert row(easy, [promoted] * 20 + [stopped])[1]
