"""next_action and the journal's fold."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from helm_safe.model.machine import Do, Finish, Hold, next_action
from helm_safe.model.plan import EndState, Plan, Stage, Step
from helm_safe.model.records import Kind, Progress, Record, fold

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
STEPS = (
    Step("autopsy", Stage.AUTOPSY, "autopsy", "save evidence"),
    Step("rollback", Stage.COMMIT, "rollback", "roll back", {"to": 1}),
    Step("watch", Stage.WATCH, "watch", "watch", {"workloads": ["Deployment/api"], "bake": 1.0}),
    Step("cleanup", Stage.CLEANUP, "cleanup", "clean up"),
)
UNDO = Step("undo", Stage.CLEANUP, "remove", "delete what was made")
KEEP = Step("keep", Stage.RETURN, "keep", "users to proven pods")
PLAN = Plan(
    "ns", "api", 2, 1, "native", "a test", STEPS, lost=("data",), settings={"bake": 1.0}, undo=(UNDO,), hold=(KEEP,)
)


def record(kind: Kind, step: str = "", **data: object) -> Record:
    return Record(NOW, kind, "COMMIT", step, dict(data))


def progress(*records: Record) -> Progress:
    return fold([record(Kind.START, plan=PLAN.to_json(), by="somebody"), *records])


def test_plan_and_records_survive_json() -> None:
    """What is journaled comes back equal."""
    assert Plan.from_json(PLAN.to_json()) == PLAN
    made = Record(NOW, Kind.DONE, "COMMIT", "rollback", {"verdict": "pass"}, {"weights": [1]}, 7)
    assert Record.from_json(made.to_json()) == made


def test_steps_follow_each_other() -> None:
    """The first step without an outcome is next; one with an intent only is done again, looking first."""
    assert next_action(PLAN, progress()) == Do(STEPS[0])
    begun = progress(record(Kind.INTENT, "autopsy"))
    assert next_action(PLAN, begun) == Do(STEPS[0], again=True)
    done = progress(record(Kind.INTENT, "autopsy"), record(Kind.DONE, "autopsy", verdict="pass"))
    assert next_action(PLAN, done) == Do(STEPS[1])


def test_the_last_step_ends_the_run() -> None:
    """All steps done is success."""
    done = progress(*(record(Kind.DONE, step.id, verdict="pass") for step in STEPS))
    assert next_action(PLAN, done) == Finish(EndState.SUCCEEDED)


def test_an_abort_before_commit_cleans_up_and_ends_aborted() -> None:
    """Before the native rollback an abort leaves the release as it was."""
    assert next_action(PLAN, progress(), "abort") == Do(UNDO)
    cleaned = progress(record(Kind.DONE, "undo", verdict="pass"))
    assert next_action(PLAN, cleaned, "abort") == Finish(EndState.ABORTED, "aborted on request")


def test_an_abort_after_commit_needs_a_person() -> None:
    """From the native rollback's intent on, an abort cannot claim that nothing happened: users go to proven pods."""
    begun = progress(record(Kind.INTENT, "rollback"))
    assert next_action(PLAN, begun, "abort") == Do(KEEP)
    kept = progress(record(Kind.INTENT, "rollback"), record(Kind.DONE, "keep", verdict="pass"))
    assert next_action(PLAN, kept) == Finish(EndState.FAILED, "aborted on request")


def test_a_stop_that_began_is_carried_through() -> None:
    """Whoever goes on with a run that was being undone goes on undoing."""
    assert next_action(PLAN, progress(record(Kind.INTENT, "undo"))) == Do(UNDO, again=True)


def test_a_failed_run_can_be_reopened_where_users_wait() -> None:
    """WATCH and what follows are done anew; the native rollback is not."""
    ended = progress(
        record(Kind.DONE, "autopsy", verdict="pass"),
        record(Kind.DONE, "rollback", verdict="pass"),
        record(Kind.DONE, "watch", verdict="fail", reason="x"),
        record(Kind.DONE, "keep", verdict="pass"),
        record(Kind.END, state="FAILED", reason="x"),
    )
    assert next_action(PLAN, ended) == Finish(EndState.FAILED, "x")
    assert next_action(PLAN, fold([record(Kind.REOPEN)], ended)) == Do(STEPS[2])


def test_once_users_are_back_nothing_moves_them_again() -> None:
    """The standby may be gone then: an abort lets the run clean up, a failure leaves users where they are."""
    steps = (*STEPS[:3], Step("routes", Stage.CLEANUP, "routes", "routes back"), STEPS[3])
    plan = replace(PLAN, steps=steps)
    done = [record(Kind.DONE, step.id, verdict="pass") for step in steps[:4]]
    back = fold([record(Kind.START, plan=plan.to_json()), *done])
    assert next_action(plan, back, "abort") == Do(steps[4])
    failed = fold([record(Kind.DONE, "cleanup", verdict="fail", reason="x")], back)
    assert next_action(plan, failed) == Finish(EndState.FAILED, "x")
    reopened = fold([record(Kind.END, state="FAILED", reason="x"), record(Kind.REOPEN)], failed)
    assert next_action(plan, reopened) == Do(steps[4], again=True)
    stuck = fold([record(Kind.DONE, "routes", verdict="fail", reason="x")], back)
    assert next_action(plan, stuck) == Do(KEEP)


def test_a_failure_before_the_release_was_touched_cleans_up() -> None:
    """A native call that changed nothing counts as before COMMIT."""
    failed = progress(record(Kind.DONE, "rollback", verdict="fail", reason="no", untouched=True))
    assert next_action(PLAN, failed) == Do(UNDO)


def test_a_failure_after_commit_stops_there() -> None:
    """A failed watch leaves everything in place for a person."""
    failed = progress(
        record(Kind.DONE, "rollback", verdict="pass"), record(Kind.DONE, "watch", verdict="fail", reason="x")
    )
    assert next_action(PLAN, failed) == Do(KEEP)


def test_a_pause_holds() -> None:
    """A pause waits for a person."""
    assert next_action(PLAN, progress(), "pause") == Hold("paused on request")


@pytest.mark.parametrize("cut", range(9))
def test_any_prefix_of_a_journal_folds(cut: int) -> None:
    """A run killed after any record still has a next action, and ends."""
    records = [record(Kind.START, plan=PLAN.to_json())]
    for step in STEPS:
        records += [record(Kind.INTENT, step.id), record(Kind.DONE, step.id, verdict="pass")]
    state = fold(records[: cut + 1])
    assert state.plan == PLAN
    for _ in range(20):
        action = next_action(PLAN, state)
        if isinstance(action, Finish):
            assert action.state is EndState.SUCCEEDED
            return
        assert isinstance(action, Do)
        state = fold([record(Kind.DONE, action.step.id, verdict="pass")], state)
    pytest.fail("the run does not end")
