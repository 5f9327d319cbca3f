"""Shares as ratios of pods: what so many pods can make, and that nobody is promised more."""

from __future__ import annotations

import random

import pytest

from helm_safe.model.ratio import Ratio, homeward, honest, moves, nearest, outward


def shares(ratios: list[Ratio]) -> list[int]:
    return [round(each.share) for each in ratios]


def test_four_pods_can_make_these_shares() -> None:
    """Pods of the standby join beside all four first; then the live ones go."""
    assert shares(outward(4, fixed=False)) == [20, 33, 43, 50, 57, 67, 80, 100]


def test_beside_an_autoscaler_the_live_pods_are_all_or_none() -> None:
    """Whatever is taken away it brings back, except at 0, where it stands still."""
    assert outward(3, fixed=True) == [Ratio(1, 3), Ratio(2, 3), Ratio(3, 3), Ratio(3, 0)]


def test_restored_pods_that_helm_counts_come_all_at_once() -> None:
    """Then the first share that can be had is that of all of them."""
    assert shares(homeward(4, 4, fixed=True)) == [50, 57, 67, 80, 100]
    assert homeward(4, 4, fixed=False)[0] == Ratio(1, 4)


def test_another_count_after_the_rollback_is_the_goal() -> None:
    """The chart of the target may count otherwise than the live workload."""
    found = homeward(4, 2, fixed=False)
    assert found[-1] == Ratio(2, 0)
    assert all(each.trial <= 2 for each in found)


@pytest.mark.parametrize("seed", range(20))
def test_users_never_meet_fewer_pods_than_were_there(seed: int) -> None:
    """One side is whole at every step, and steps only rise."""
    draw = random.Random(seed)
    pods, fixed = draw.randint(1, 30), draw.random() < 0.5
    for ratios in (outward(pods, fixed=fixed), homeward(pods, pods, fixed=fixed)):
        assert all(each.trial + each.other >= pods for each in ratios)
        assert all(max(each) == pods for each in ratios)
        assert [each.share for each in ratios] == sorted({each.share for each in ratios})
        assert ratios[-1] == Ratio(pods, 0)


def test_everybody_only_where_all_is_wanted() -> None:
    """99 % of one pod would be all users without a gate before it."""
    assert nearest(99, outward(1, fixed=False)) == Ratio(1, 1)
    assert nearest(100, outward(1, fixed=False)) == Ratio(1, 0)


def test_steps_that_come_to_the_same_are_one() -> None:
    """Its approval may be asked for under any of their names."""
    found = moves((1, 10, 50, 100), {"Deployment/api": outward(4, fixed=False)})
    assert [(each.asked, round(each.share)) for each in found] == [((1, 10), 20), ((50,), 50), ((100,), 100)]


def test_several_workloads_move_together() -> None:
    """A step is one for all of them only where it is one for each."""
    found = moves((1, 10, 100), {"a": outward(2, fixed=False), "b": outward(9, fixed=False)})
    assert [each.asked for each in found] == [(1, 10), (100,)]
    assert found[0].ratios == {"a": Ratio(1, 2), "b": Ratio(1, 9)}
    apart = moves((10, 20, 100), {"a": outward(2, fixed=False), "b": outward(9, fixed=False)})
    assert [each.asked for each in apart] == [(10,), (20,), (100,)]


def test_what_cannot_be_had_is_said() -> None:
    """1 % needs a hundred pods."""
    (words,) = honest((1, 50, 80, 100), {"Deployment/api": outward(4, fixed=False)})
    assert words.startswith("Deployment/api: 1 % needs 100 pods; with 4 pods it can be 20, 33.3, 42.9, 50,")
    assert words.endswith("so the steps are 20, 50, 80, 100 %")


def test_what_can_be_had_needs_no_words() -> None:
    assert list(honest((10, 50, 100), {"Deployment/api": outward(9, fixed=False)})) == []


def test_less_than_one_percent_needs_more_than_a_hundred_pods() -> None:
    (words,) = honest((0.5, 100), {"Deployment/api": outward(4, fixed=False)})
    assert words.startswith("Deployment/api: 0.5 % needs 200 pods")
