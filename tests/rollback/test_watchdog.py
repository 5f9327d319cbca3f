"""The watchdog on fakes: it acts when nobody drives, and only then."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import name_of
from helm_safe.journal.secret_store import runs_of
from helm_safe.model import in_cluster
from helm_safe.model.errors import Conflict, PersonNeeded, Unreachable, UsageError
from helm_safe.model.machine import committed
from helm_safe.rollback import control
from helm_safe.rollback.prepare import prepare
from helm_safe.rollback.runs import latest_run
from helm_safe.rollback.traffic import TRIES
from helm_safe.rollback.watchdog import NO_RUN, stand, within
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, Shop, photographs
from tests.rollback.scenes import assert_untouched, begin, by_name, charted, progress_of, settings

AFTER = 15.0


def left_alone(made: Shop, step: str) -> Shop:
    """The shop as it was when the run's process died behind that step."""
    photos = (each for _, each in photographs(made, begin) if runs_of(each.cluster, RELEASE))
    return next(copy.deepcopy(each) for each in photos if step in progress_of(each).done)


def test_before_commit_everything_is_put_back_in_time(tmp_path: Path) -> None:
    made = left_alone(charted(tmp_path, "ssa"), "shift 10")
    assert made.weights() == {NAME: 90, f"{NAME}-standby": 10}
    began = made.clock.now()
    words = stand(made.world, RELEASE, AFTER)
    assert "ABORTED by the watchdog" in words
    assert_untouched(made)
    assert any("is left alone" in each for each in made.words())
    assert (made.clock.now() - began).total_seconds() < 4 * within(AFTER)


def test_after_commit_users_stay_on_proven_pods_and_a_person_is_asked(tmp_path: Path) -> None:
    made = left_alone(charted(tmp_path, "ssa"), "verify")
    assert committed(progress_of(made))
    with pytest.raises(PersonNeeded):
        stand(made.world, RELEASE, AFTER)
    assert made.weights() == {NAME: 0, f"{NAME}-standby": 100}
    assert made.cluster.hurt == []


def test_a_run_that_is_driven_is_left_alone(tmp_path: Path) -> None:
    """Somebody renews the Lease, and in the end the run is over."""
    made = left_alone(charted(tmp_path, "ssa"), "shift 10")
    renewals, passed = 40, 0.0

    def drive(seconds: float) -> None:
        nonlocal renewals, passed
        passed += seconds
        if renewals and passed >= 4:
            renewals, passed = renewals - 1, 0.0
            lease = made.cluster.find("Lease", f"helm-safe.{NAME}", RELEASE.namespace)
            assert lease
            spec = {**lease["spec"], "renewTime": made.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
            made.cluster.put({**lease, "spec": spec})

    made.clock.passing.append(drive)
    began = made.clock.now()
    assert "ABORTED" in stand(made.world, RELEASE, AFTER).upper()
    assert (made.clock.now() - began).total_seconds() > 40 * 4, "it acted while somebody drove"


def test_it_ends_with_the_run_or_without_one(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    began = made.clock.now()
    assert stand(made.world, RELEASE, AFTER) == "no run began"
    assert (made.clock.now() - began).total_seconds() >= NO_RUN
    begin(made)
    state = latest_run(made.world, RELEASE)
    assert state
    assert stand(made.world, RELEASE, AFTER) == f"run {state.run_id} ended SUCCEEDED"


@pytest.mark.parametrize("build", [charted, by_name], ids=["standby", "replicas"])
def test_it_is_made_before_users_move_and_goes_with_the_run(tmp_path: Path, build: Any) -> None:
    made = build(tmp_path, "ssa")
    asked = replace(settings(**{"in-cluster.image": "example/helm-safe:1"}), watchdog=True)
    control.start(made.world, RELEASE, 1, asked, show=lambda _: None, confirm=lambda _: True)
    progress = progress_of(made)
    assert progress.plan
    ids = [step.id for step in progress.plan.steps]
    assert ids.index("watchdog") < min(number for number, name in enumerate(ids) if name.startswith("shift "))
    objects = progress.plan.steps[ids.index("watchdog")].args["objects"]
    assert [each["kind"] for each in objects] == ["Deployment", "ServiceAccount", "Role", "RoleBinding"]
    rules = objects[2]["rules"]
    assert not [rule for rule in rules if "secrets" in rule["resources"] and "delete" in rule["verbs"]]
    assert made.cluster.find("Deployment", name_of(objects[0]), RELEASE.namespace) is None


def test_the_guard_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    """Its objects may be about to go with its Deployment, and its Role is that of another plan."""
    made = charted(tmp_path, "ssa")
    name = f"helm-safe-watchdog-{NAME}"
    mine = {"name": name, "namespace": RELEASE.namespace, "labels": in_cluster.labels(RELEASE, in_cluster.GUARD)}
    gone = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "of-an-earlier-one"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
    made.cluster.put({**role, "metadata": {**mine, "ownerReferences": [gone]}})
    asked = replace(settings(**{"in-cluster.image": "example/helm-safe:1"}), watchdog=True)

    def run(shop: Shop) -> Any:
        return control.start(shop.world, RELEASE, 1, asked, show=lambda _: None, confirm=lambda _: True)

    photos = (each for _, each in photographs(made, run) if runs_of(each.cluster, RELEASE))
    guarded = next(each for each in photos if "watchdog" in progress_of(each).done)
    found = guarded.cluster.find("Role", name, RELEASE.namespace)
    owner = guarded.cluster.find("Deployment", name, RELEASE.namespace)
    assert found
    assert owner
    assert found["rules"]
    assert found["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


def test_without_an_image_nothing_begins(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    with pytest.raises(UsageError, match="no image is named"):
        prepare(made.world, RELEASE, 1, replace(settings(), watchdog=True))


def test_a_look_that_fails_late_in_a_run_is_no_run_without_a_beginning(tmp_path: Path) -> None:
    """The API server is away for a moment after more than ten minutes: the guard stays, and still acts."""
    made = left_alone(charted(tmp_path, "ssa"), "shift 10")
    began, long = made.clock.now(), NO_RUN + 60

    def drive(_: float) -> None:
        now = made.clock.now()
        lease = made.cluster.find("Lease", f"helm-safe.{NAME}", RELEASE.namespace)
        assert lease
        if (now - began).total_seconds() < long:
            spec = {**lease["spec"], "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
            made.cluster.put({**lease, "spec": spec})
        else:
            made.clock.passing.remove(drive)
            made.cluster.fail("list", Unreachable("no answer"), kind="Secret")

    made.clock.passing.append(drive)
    assert "ABORTED by the watchdog" in stand(made.world, RELEASE, AFTER)
    assert_untouched(made)


def test_failed_looks_do_not_count_as_signs_of_life(tmp_path: Path) -> None:
    """Every third look fails; the driver is gone all the same, and users are safe in the stated time."""
    made = left_alone(charted(tmp_path, "ssa"), "shift 10")
    began, looks, acted = made.clock.monotonic(), 0, 0.0

    def trouble(_: float) -> None:
        nonlocal looks, acted
        looks += 1
        made.cluster.faults.clear()
        if any("is left alone" in each for each in made.words()):
            acted = acted or made.clock.monotonic() - began
        elif looks % 3 == 0 and looks < 100:
            made.cluster.fail("list", Unreachable("no answer"), kind="Secret")

    made.clock.passing.append(trouble)
    assert "ABORTED by the watchdog" in stand(made.world, RELEASE, AFTER)
    assert AFTER <= acted < 2 * AFTER


def test_a_way_out_that_is_stuck_is_tried_again(tmp_path: Path) -> None:
    """Before COMMIT a route may be stuck for a while: the guard does not leave users where they are."""
    made = left_alone(charted(tmp_path, "ssa"), "shift 10")
    made.cluster.fail("patch", Conflict("changed"), kind="HTTPRoute", times=TRIES)
    assert "ABORTED by the watchdog" in stand(made.world, RELEASE, AFTER)
    assert_untouched(made)
