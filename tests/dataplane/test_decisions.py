"""Scenarios against decisions, each one a real rollback: real Prometheus, real Traefik, real pods, real users.

The expectations are those of `python -m benchmarks decisions`, which repeats them over simulated users. By default two
scenarios are played, other ones each time (see tests/sampling.py); HELM_SAFE_FULL=1 plays them all. Those of a session
are played side by side, each in a namespace of its own with a Prometheus of its own: a run mostly waits.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from benchmarks.decisions import PROMOTE
from helm_safe.sandbox.cluster import Sandbox
from tests.dataplane.decisions import PLAYED, PODS, ROUTED, TARGET, Outcome, Played, play
from tests.sampling import FULL

pytestmark = [pytest.mark.dataplane, pytest.mark.timeout(900)]
WORLDS = 3 if FULL else 2  # scenarios that are played side by side


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Outcome]]]:
    """All scenarios of this session under way, by name."""
    folder = tmp_path_factory.mktemp("decisions")
    sandbox.link("prometheus")  # the first call builds it

    def played(each: tuple[int, Played]) -> Outcome:
        number, scenario = each
        began = time.monotonic()
        namespace = f"decide-{uuid.uuid4().hex[:8]}"
        found = play(sandbox, scenario, namespace, folder / str(number), number)
        print(f"decisions: {found.row()}, {time.monotonic() - began:.0f} s in all", file=sys.__stderr__, flush=True)
        return found

    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    mine = [item for item in items if item.function is test_a_real_rollback_ends_as_it_should]
    wanted = [item.callspec.params["played"] for item in mine]
    with ThreadPoolExecutor(WORLDS) as pool:
        yield {str(each): pool.submit(played, (number, each)) for number, each in enumerate(wanted, start=1)}
        pool.shutdown(wait=True, cancel_futures=True)


@pytest.mark.matrix(2)
@pytest.mark.parametrize("played", PLAYED, ids=str)
def test_a_real_rollback_ends_as_it_should(outcomes: Mapping[str, Future[Outcome]], played: Played) -> None:
    found = outcomes[str(played)].result()
    if "strategy" in played.flags and played.scenario.target.errors:
        assert_users_had_the_last_word(found)
        return
    assert played.scenario.holds(found.decision), found.story
    if found.word == "blocked":
        assert_nothing_was_touched(found)
    elif played.scenario.right == PROMOTE:
        assert_users_are_at_the_target(found)
    else:
        assert_users_are_where_they_were(found)
        assert_the_last_line_tells_whether_it_helps(found)


def assert_users_had_the_last_word(found: Outcome) -> None:
    """An express rollback to a bad version: better than a release that is down, and no success."""
    assert (found.story.code, found.stopped_by) == (5, "users"), found.story
    assert "the restored pods are up, and still" in found.story.errors, found.story
    assert (found.standing.revision, found.standing.ready, found.left) == (3, PODS, []), found.story


def assert_nothing_was_touched(found: Outcome) -> None:
    assert found.story.code == 3, found.story
    assert found.stopped_by == "", found.story
    assert_untouched(found)
    assert TARGET not in found.seen(), found.story


def assert_untouched(found: Outcome) -> None:
    """The release is as it was, so are its routes, and nothing of the run is left."""
    assert (found.standing.revision, found.standing.ready) == (2, PODS), found.story
    assert found.routes[0] == found.routes[1], found.story
    assert found.left == []


def assert_users_are_at_the_target(found: Outcome) -> None:
    """All of them, from the last share on; and nobody met a pod that was cold."""
    assert found.story.code == 0, found.story
    assert (found.standing.revision, found.standing.ready, found.left) == (3, PODS, []), found.story
    gates = {gate.step: gate for gate in found.story.gates()}
    express = "strategy" in found.played.flags
    assert express == (not gates), found.story
    if found.played.users:
        since = found.story.done("cleanup" if express else "shift 100")  # express moves nobody: old pods drain
        assert set(found.seen(since)) == {TARGET}, found.story
    if found.played.scenario.target.cold:
        assert found.failed(TARGET) == 0, found.story


def assert_users_are_where_they_were(found: Outcome) -> None:
    """Stopped at the step that could tell; from then on nobody met the target again."""
    assert found.story.code == 1, found.story
    assert found.stopped_by.startswith("shift "), found.story
    assert found.stopped_by == (found.played.stops_at or found.stopped_by), found.story
    assert_untouched(found)
    if found.played.users:
        met = [each for each in found.requests if each.version == TARGET]
        assert met, "nobody met the target: nothing was decided by users"
        assert max(each.at for each in met) < found.story.done("undo routes") + ROUTED, found.story


def assert_the_last_line_tells_whether_it_helps(found: Outcome) -> None:
    """A target that is no better than the current version does not help, and why is said at the very end."""
    target, current = found.played.scenario.target, found.played.scenario.current
    early = found.stopped_by == "shift 10"
    if found.word != "stopped" or not found.played.users or not (early or target.errors >= 0.05):
        return  # nothing could be told, or too little to compare with what the current version had done before
    if target.cold or target.errors >= current.errors:
        share = found.stopped_by.split()[1]
        start = f"A rollback does not help: at {share} % of the users the target"
        assert found.last_line.startswith(start), found.last_line
        assert "the current version" in found.last_line
    elif target.errors <= current.errors / 2:
        assert "A rollback does not help" not in found.story.errors, found.story
