"""Where no share of users is moved they tell at the end: floors over their requests, once pods had time to get warm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helm_safe.core.objects import Object
from helm_safe.model.errors import OutcomeUnknown, PersonNeeded
from helm_safe.rollback import control
from helm_safe.rollback.prepare import prepare
from tests.fakes.controllers import DEAD, GOOD, POLITE, Behaviour
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, Shop, deployment, route, service, shop
from tests.rollback.scenes import SCENES, assert_restored, begin, settings
from tests.rollback.test_staged import blind, fail_restored, when


def ruin(folder: Path, target: Behaviour = GOOD, *, requests: float = 200.0) -> Shop:
    """The current revision is down, so that the run is an express one."""
    one, two = (deployment(tag, strategy={"type": "Recreate"}) for tag in ("1", "2"))
    chart: list[Object] = [service(), route()]
    made = shop(folder, "ssa", [one, *chart], [two, *chart], behaviours={"1": target, "2": DEAD})
    made.gateway.rate = requests
    return made


@pytest.mark.parametrize("strategy", ["express", "native"])
def test_good_answers_are_told(tmp_path: Path, strategy: str) -> None:
    made = ruin(tmp_path)
    begin(made, strategy=strategy)
    assert_restored(made, SCENES["express"])
    assert any(words.startswith("users get good answers: 0 %") for words in made.words())


@pytest.mark.parametrize("strategy", ["express", "native"])
def test_a_target_that_fails_its_users_is_no_success(tmp_path: Path, strategy: str) -> None:
    """Better than a release that is down, and still nothing to close the incident with; mended, `resume` sees it."""
    made = ruin(tmp_path, POLITE)
    with pytest.raises(PersonNeeded, match=r"the restored pods are up, and still 40 % of \d+ requests failed"):
        begin(made, strategy=strategy)
    fail_restored(made, GOOD)
    control.resume(made.world, RELEASE, settings())
    assert_restored(made, SCENES["express"])


def test_pods_may_get_warm_within_the_bake(tmp_path: Path) -> None:
    made = ruin(tmp_path, POLITE)
    when(made, "users still meet trouble", lambda: fail_restored(made, GOOD))
    begin(made, bake="20s")
    assert_restored(made, SCENES["express"])


def test_without_users_the_pods_have_the_last_word(tmp_path: Path) -> None:
    """Nobody came to tell; that is said, and a pipeline at night goes on."""
    made = ruin(tmp_path, requests=0.0)
    begin(made)
    assert "not judged by what users get: no requests reached it, 75 are needed" in made.words()


def test_a_few_failures_are_not_decided_by_time(tmp_path: Path) -> None:
    """Errors, and too few requests to call them chance or not."""
    made = ruin(tmp_path, Behaviour(errors=0.05, polite=True), requests=0.2)
    with pytest.raises(OutcomeUnknown, match="stays open"):
        begin(made, timeout="60s")


def test_what_nobody_counts_is_no_step(tmp_path: Path) -> None:
    made = ruin(tmp_path)
    assert "users" in [step.id for step in prepare(made.world, RELEASE, 1, settings()).plan.steps]
    made.world = replace(made.world, metrics=blind)
    assert "users" not in [step.id for step in prepare(made.world, RELEASE, 1, settings()).plan.steps]
    assert NAME in made.weights()
