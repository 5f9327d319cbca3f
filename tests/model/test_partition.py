"""Which StatefulSets can be held by their partition, how it goes down, and that the field comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from helm_safe.core.objects import Object, ref_of
from helm_safe.model.changes import Change
from helm_safe.model.partition import Held, captured, holdable, partitions, put_back, restored
from helm_safe.model.revisions import Release
from tests.fakes.releases import FakeReleases
from tests.fakes.shop import NAME, stateful

RELEASE = Release("prod", NAME)


def change(before: Object, after: Object) -> Change:
    """From the revision that is left to the one that is restored."""
    releases = FakeReleases()
    target = releases.upgrade(RELEASE, after)
    return Change(releases.upgrade(RELEASE, before), target)


def live(**spec: Any) -> Object:
    """As the API server shows it: the strategy's defaults are filled in."""
    made = stateful("2", **{"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}, **spec})
    return {**made, "status": {"readyReplicas": 4}}


def why(now: Object | None, **spec: Any) -> str:
    one, two = stateful("1", **spec), stateful("2", **spec)
    found = holdable(change(two, one), {ref_of(now): now} if now else {})
    return found.free[0][1] if found.free else ""


def test_a_changed_one_is_held_above_all_of_its_pods() -> None:
    one, two = stateful("1", replicas=3), stateful("2")
    now = live()
    found = holdable(change(two, one), {ref_of(now): now})
    assert found.held == (Held(ref_of(now), 3, 4),)


def test_one_whose_pods_do_not_change_is_left_alone() -> None:
    now = live()
    assert holdable(change(stateful("2"), stateful("2")), {ref_of(now): now}) == ((), ())


@pytest.mark.parametrize(
    ("now", "spec", "words"),
    [
        (None, {}, "does not run now"),
        (live(updateStrategy={"type": "OnDelete"}), {}, "replaced by hand (OnDelete)"),
        (live(), {"updateStrategy": {"type": "OnDelete"}}, "replaced by hand (OnDelete)"),
        (live(), {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "chart sets rollingUpdate.partition"),
        (
            live(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}),
            {},
            "at partition 2 already",
        ),
        (live(replicas=0), {}, "scaled to 0"),
        ({**live(), "status": {"readyReplicas": 1}}, {}, "3 of its pods are not ready"),
        ({**live(podManagementPolicy="Parallel"), "status": {"readyReplicas": 1}}, {}, ""),
    ],
)
def test_what_cannot_be_held_says_why(now: Object | None, spec: dict[str, Any], words: str) -> None:
    found = why(now, **spec)
    assert words in found if words else not found


def test_the_partition_goes_down_by_whole_pods() -> None:
    """At least one pod per step; percentages that come to the same are one."""
    held = [Held(ref_of(live()), 4, 5)]
    name = f"StatefulSet/{NAME}"
    found = partitions((1, 10, 50, 100), held)
    assert found == [((1, 10), {name: 3}), ((50,), {name: 2}), ((100,), {name: 0})]
    assert [restored(at, held) for _, at in found] == [25, 50, 100]


@pytest.mark.parametrize(
    ("was", "wanted"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}, {"partition": 0}),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}, {"partition": None}),
        ({"type": "RollingUpdate"}, None),
    ],
)
def test_the_field_comes_back_as_it_was(was: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    """Absent parts are absent again."""
    before = captured(live(updateStrategy=was))
    during = {**was, "rollingUpdate": {**was.get("rollingUpdate", {}), "partition": 4}}
    assert put_back(before, live(updateStrategy=during)) == {"spec": {"updateStrategy": {"rollingUpdate": wanted}}}
    assert put_back(before, live(updateStrategy=was)) is None
