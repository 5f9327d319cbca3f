"""Runs that wait for a person: who counts as an answer, what is said meanwhile, and how the waiting ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli import status
from helm_safe.cli.policy import Unsettled
from helm_safe.core.objects import ObjectRef
from helm_safe.journal.lease import APPROVALS, current_holder, lease_name
from helm_safe.model.errors import HelmSafeError, Interrupted, PersonNeeded, RunFailed, UsageError
from helm_safe.model.events import Event
from helm_safe.model.plan import EndState, Plan
from helm_safe.model.policy import Policy
from helm_safe.model.resources import LEASES
from helm_safe.model.settings import Settings
from helm_safe.rollback import control
from helm_safe.rollback.prepare import prepare
from helm_safe.rollback.runs import latest_run
from tests.fakes.controllers import GOOD, Behaviour
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, Shop
from tests.rollback.scenes import (
    SCENES,
    STABLE,
    STANDBY,
    Approver,
    assert_restored,
    assert_untouched,
    begin,
    by_name,
    charted,
    down,
    known_good,
    ordered,
    progress_of,
    settings,
    unrouted,
)
from tests.rollback.test_staged import EDITS, PLAIN, ask, edit, simple, when

WAITS = "waiting for approval"


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed, and requests read, every second; the thread that does it otherwise knows no fake clock."""
    monkeypatch.setattr("helm_safe.journal.lease.HOLDS", 1.0)


def told(made: Shop) -> list[Event]:
    """The events that say that the run waits."""
    reporter: Any = made.world.reporter
    return [event for event in reporter.events if event.data.get("kind") == "waiting"]


def after(made: Shop, words: str, seconds: float, act: Callable[[], object]) -> None:
    """Do something once, that many seconds after the run said these words."""

    def begun() -> None:
        since = made.clock.passed
        waiting = [act]

        def look(_: float) -> None:
            if waiting and made.clock.passed - since >= seconds:
                waiting.pop()()

        made.clock.passing.append(look)

    when(made, words, begun)


def promote(made: Shop) -> Callable[[], object]:
    return lambda: control.request(made.world, RELEASE, "promote")


# --- the plan ---


@pytest.mark.parametrize(
    ("build", "pauses", "expected"),
    [
        (charted, "10,50", ["shift 10", "approve 10", "shift 50", "approve 50", "shift 100", "join"]),
        (charted, "50,100", ["shift 10", "shift 50", "approve 50", "shift 100", "approve commit", "join"]),
        (charted, "commit,100", ["shift 10", "shift 50", "shift 100", "approve commit", "join"]),
        (charted, "none", ["shift 10", "shift 50", "shift 100", "join"]),
        (known_good, "commit", ["isolate", "autopsy", "hold", "approve commit", "bridge"]),
        (known_good, "10,100", ["return 10", "approve 10", "return 50", "return 100", "approve 100", "routes"]),
        (unrouted, "10", ["autopsy", "approve commit", "rollback"]),
        (down, "50,commit", ["autopsy", "approve commit", "rollback"]),
        (unrouted, "none", ["autopsy", "rollback"]),
        (by_name, "10,100", ["shift 20", "approve 10", "shift 50", "shift 100", "approve commit", "rollback"]),
        (ordered, "commit", ["autopsy", "approve commit", "pin", "rollback", "pin again"]),
        (ordered, "10", ["lower 25", "approve 10", "lower 50", "lower 100", "watch"]),
        (ordered, "100", ["lower 50", "lower 100", "approve 100", "watch"]),
    ],
)
def test_the_plan_shows_where_it_waits(tmp_path: Path, build: Any, pauses: str, expected: list[str]) -> None:
    """Behind the gate of the step; before the native rollback where nothing moves in steps; and no pause is lost."""
    plan = plan_of(build(tmp_path, "ssa"), pauses)
    ids = [step.id for step in plan.steps]
    start = ids.index(expected[0])
    assert ids[start : start + len(expected)] == expected
    assert sum(name.startswith("approve") for name in ids) == sum(name.startswith("approve") for name in expected)


def plan_of(made: Shop, pauses: str) -> Plan:
    return prepare(made.world, RELEASE, 1, settings(pause_at=pauses)).plan


def test_titles_say_what_comes_next(tmp_path: Path) -> None:
    steps = {step.id: step.title for step in plan_of(charted(tmp_path, "ssa"), "10,100").steps}
    assert steps["approve 10"] == "wait for approval before 50 % of the users go to the standby (10 % now)"
    assert steps["approve commit"] == "wait for approval before the native rollback (all users are at the standby)"


def test_a_pause_that_is_no_step(tmp_path: Path) -> None:
    """The steps are named, and who chose both; the policy's pause is overruled by the flag."""
    made = charted(tmp_path, "ssa")
    policy = Policy("policy file p.yaml", {"pause-at": (1, 10, "commit")})
    asked = Unsettled(Settings(yes=True), {"steps": "10,100"}, policy)
    with pytest.raises(UsageError, match="1 is no step") as caught:
        prepare(made.world, RELEASE, 1, asked)
    assert caught.value.message == "policy file p.yaml: 1 is no step of this run; the steps are 10,100 (--steps)"
    for flag in ("10", "none"):
        prepare(made.world, RELEASE, 1, asked._replace(flags={"steps": "10,100", "pause-at": flag}))


# --- waiting, and the answer ---


def test_it_says_for_what_for_whom_until_when_and_what_then(tmp_path: Path) -> None:
    """Once clearly, then every five minutes; `status` says the same, and both are of the published shape."""
    made = simple(tmp_path)
    seen: list[dict[str, Any]] = []

    def look() -> None:
        state = latest_run(made.world, RELEASE)
        assert state
        seen.append(status.document(state))

    after(made, WAITS, 700, look)
    after(made, WAITS, 720, promote(made))
    begin(made, pause_at="10", **{"approval.from": "the shop's on-call"})
    assert_restored(made, PLAIN)
    events = told(made)
    assert len(events) == 3
    first = events[0]
    until = datetime.fromisoformat(first.data["until"])
    assert until == first.at + timedelta(hours=1)
    local = until.astimezone()
    assert first.message == (
        "waiting for approval by the shop's on-call before 50 % of the users go to the standby (10 % now); "
        f"until {local:%H:%M:%S %Z} (60 min left), then the run stops and everything is put back. "
        "Approve: `helm safe-rollback promote checkout-api -n prod`; stop: `helm safe-rollback abort checkout-api -n prod`"
    )
    assert "(50 min left)" in events[2].message
    facts = {key: first.data[key] for key in ("for", "who", "since", "until", "then")}
    assert facts["for"] == "50 % of the users go to the standby (10 % now)"
    assert facts["who"] == "the shop's on-call"
    assert [seen[0]["state"], seen[0]["waiting"]] == ["WAITING", facts]
    outcome = progress_of(made).done["approve 10"]
    assert outcome["by"] == control.person()
    assert f"approved by {control.person()}" in made.words()
    state = latest_run(made.world, RELEASE)
    assert state
    assert status.document(state)["waiting"] is None


def test_a_promotion_of_the_gate_approves_nothing(tmp_path: Path) -> None:
    """What was said before the waiting began was said about something else."""
    made = simple(tmp_path, two=GOOD)
    when(made, "10 % of the users to the standby", promote(made))
    after(made, WAITS, 100, promote(made))
    begin(made, pause_at="10", bake="200s")
    done = progress_of(made).done
    assert "promoted by a person" in done["shift 10"]["message"]
    waited = datetime.fromisoformat(done["approve 10"]["at"]) - datetime.fromisoformat(done["shift 10"]["at"])
    assert 100 <= waited.total_seconds() < 120


def test_many_promotions_approve_one_waiting(tmp_path: Path) -> None:
    """The next one is asked for again, and told until then."""
    made = simple(tmp_path)
    for _ in range(4):
        after(made, WAITS, 20, promote(made))
    begins = "before the native rollback"
    after(made, begins, 90, promote(made))
    begin(made, pause_at="10,commit")
    done = progress_of(made).done
    waited = datetime.fromisoformat(done["approve commit"]["at"]) - datetime.fromisoformat(done["shift 100"]["at"])
    assert 90 <= waited.total_seconds() < 110
    assert_restored(made, PLAIN)


def test_an_answer_to_another_run_is_none(tmp_path: Path) -> None:
    """Nor is anything else that stands in the annotation; it may be anybody's."""
    made = simple(tmp_path)

    def forge() -> None:
        since = told(made)[0].data["since"]
        odd = [
            {"run": "20200101-000000-abcdef", "step": "approve 10", "since": since, "by": "eve"},
            {"run": max(runs(made)), "step": "approve 10", "since": "2020-01-01T00:00:00+00:00", "by": "eve"},
            {"run": max(runs(made)), "step": "approve 10"},
            "approve 10",
            None,
        ]
        ref = ObjectRef(LEASES.gvk.group, "Lease", RELEASE.namespace, lease_name(RELEASE))
        made.cluster.patch(LEASES, ref, {"metadata": {"annotations": {APPROVALS: json.dumps(odd)}}}, manager="eve")

    after(made, WAITS, 10, forge)
    with pytest.raises(RunFailed, match="nobody approved"):
        begin(made, pause_at="10", **{"approval.timeout": "2m"})


def runs(made: Shop) -> list[str]:
    state = latest_run(made.world, RELEASE)
    assert state
    return [state.run_id]


# --- how else it ends ---


def test_nobody_answers(tmp_path: Path) -> None:
    """Everything is put back after the time that was told."""
    made = simple(tmp_path)
    with pytest.raises(RunFailed, match="nobody approved within the time given: 50 % of the users go to the standby"):
        begin(made, pause_at="10", **{"approval.timeout": "10m"})
    assert_untouched(made)
    assert progress_of(made).end == EndState.FAILED.value
    until = datetime.fromisoformat(told(made)[0].data["until"])
    assert 0 <= (datetime.fromisoformat(progress_of(made).done["approve 10"]["at"]) - until).total_seconds() < 10


def test_nobody_answers_and_it_goes_on(tmp_path: Path) -> None:
    made = simple(tmp_path)
    begin(made, pause_at="10", **{"approval.timeout": "10m", "approval.then": "go-on"})
    assert_restored(made, PLAIN)
    assert "then the run goes on." in told(made)[0].message
    assert "goes on all the same" in progress_of(made).done["approve 10"]["message"]


def test_it_waits_for_as_long_as_it_takes(tmp_path: Path) -> None:
    made = simple(tmp_path)
    after(made, WAITS, 4000, promote(made))
    begin(made, pause_at="10", **{"approval.timeout": "none"})
    assert_restored(made, PLAIN)
    assert told(made)[0].data["until"] is None
    assert "; for as long as it takes. Approve" in told(made)[0].message


def test_after_commit_users_stay_on_proven_pods(tmp_path: Path) -> None:
    """Nobody approves the way back: a person is needed, and `resume` asks anew; the old answer does not count."""
    made = known_good(tmp_path, "ssa")
    with pytest.raises(PersonNeeded, match="nobody approved"):
        begin(made, pause_at="50", **{"approval.timeout": "5m"})
    assert made.weights() == {NAME: 0, STABLE: 100}
    assert f"then the run stops, with all users at Service/{STABLE}" in told(made)[0].message
    asked = len(told(made))
    made.clock.passing.append(Approver(made.cluster))
    control.resume(made.world, RELEASE, settings())
    assert len(told(made)) > asked
    assert_restored(made, SCENES["shift"])


@pytest.mark.parametrize("pods", [True, False])
def test_what_turns_bad_meanwhile_stops_the_run(tmp_path: Path, pods: bool) -> None:
    """Pods that are gone, and requests that fail a little after a long good time, which would hide them."""
    made = simple(tmp_path, two=GOOD)

    def worse() -> None:
        for name, (_, born) in list(made.controllers._pods.items()):
            if name.startswith(STANDBY):
                made.controllers._pods[name] = (Behaviour(errors=0.04, polite=True), born)

    def gone() -> None:
        made.cluster.objects.pop(("apps", "Deployment", RELEASE.namespace, STANDBY))

    after(made, WAITS, 1500, gone if pods else worse)
    after(made, WAITS, 1900, promote(made))
    with pytest.raises(RunFailed, match="does not exist" if pods else r"% of \d+ requests failed"):
        begin(made, pause_at="50")
    assert progress_of(made).done["approve 50"]["verdict"] == "fail"
    assert made.helm.calls == []


@pytest.mark.parametrize("build", [simple, known_good])
def test_another_writer_at_the_routes_is_seen(tmp_path: Path, build: Callable[..., Shop]) -> None:
    made = build(tmp_path, "ssa")
    after(made, WAITS, 60, lambda: edit(made, EDITS[0]))
    with pytest.raises(HelmSafeError, match="somebody else changed HTTPRoute/checkout-api"):
        begin(made, pause_at="commit")
    assert made.helm.calls == []


def test_abort_while_it_waits(tmp_path: Path) -> None:
    made = simple(tmp_path)
    after(made, WAITS, 60, ask(made, "abort"))
    with pytest.raises(RunFailed, match="was aborted"):
        begin(made, pause_at="50")
    assert_untouched(made)


def test_a_pause_holds_an_approved_run(tmp_path: Path) -> None:
    """It goes on with `resume` only; the approval of meanwhile counts then."""
    made = simple(tmp_path)
    after(made, WAITS, 30, ask(made, "pause"))
    after(made, WAITS, 60, promote(made))
    after(made, WAITS, 200, ask(made, "resume"))
    begin(made, pause_at="10")
    done = progress_of(made).done
    waited = datetime.fromisoformat(done["approve 10"]["at"]) - datetime.fromisoformat(done["shift 10"]["at"])
    assert waited.total_seconds() >= 200
    assert_restored(made, PLAIN)


# --- while nobody runs ---


def interrupted(made: Shop, **flags: Any) -> None:
    """A run that is stopped by a signal while it waits."""

    def stop() -> None:
        raise Interrupted("stopped by the test")

    when(made, WAITS, stop)
    with pytest.raises(Interrupted):
        begin(made, pause_at="10", **flags)
    assert current_holder(made.cluster, RELEASE) is None


def test_a_promotion_while_nobody_runs_counts(tmp_path: Path) -> None:
    """It is kept on the Lease for whoever goes on."""
    made = simple(tmp_path)
    interrupted(made)
    made.clock.sleep(600)
    assert promote(made)() == "50 % of the users go to the standby (10 % now)"
    made.clock.sleep(600)
    control.resume(made.world, RELEASE, settings())
    assert progress_of(made).done["approve 10"]["by"] == control.person()
    assert_restored(made, PLAIN)


def test_the_time_left_counts_from_the_beginning(tmp_path: Path) -> None:
    """Whoever goes on waits for the rest of it."""
    made = simple(tmp_path)
    interrupted(made)
    began = made.clock.passed
    made.clock.sleep(2400)
    with pytest.raises(RunFailed, match="nobody approved"):
        control.resume(made.world, RELEASE, settings())
    assert 3590 < made.clock.passed - began < 3700
    assert "(20 min left)" in told(made)[1].message
    assert_untouched(made)


def test_too_late(tmp_path: Path) -> None:
    """The time was over before anybody went on."""
    made = simple(tmp_path)
    interrupted(made)
    made.clock.sleep(4000)
    with pytest.raises(RunFailed, match="nobody approved"):
        control.resume(made.world, RELEASE, settings())
    assert_untouched(made)


def test_a_gate_that_asks_is_answered_like_an_approval(tmp_path: Path) -> None:
    """Nobody uses the release (`gates.no-traffic: ask`): `status` says what waits, and `promote` passes that gate."""
    made = simple(tmp_path, two=GOOD)
    made.gateway.rate = 0.0
    seen: list[Any] = []

    def come() -> None:
        state = latest_run(made.world, RELEASE)
        assert state
        seen.append(status.document(state))
        promote(made)()
        made.gateway.rate = 200.0

    after(made, "a person decides", 100, come)
    begin(made, steps="10,100", **{"gates.no-traffic": "ask"})
    assert (seen[0]["state"], seen[0]["waiting"]["until"]) == ("WAITING", None)
    assert seen[0]["waiting"]["for"] == "the gate at 10 % is passed without enough requests"
    assert f"approved by {control.person()}" in progress_of(made).done["shift 10"]["message"]
    assert_restored(made, PLAIN)
