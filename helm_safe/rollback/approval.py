"""Approval: a step that waits for a person, and looks meanwhile as the gate before it did."""

from __future__ import annotations

from datetime import datetime

from helm_safe.model.plan import Step
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.gate import POLL, Gate
from helm_safe.rollback.podgate import gate_of
from helm_safe.rollback.traffic import look
from helm_safe.rollback.waiting import REMIND, Facts, answer, begin_waiting, tell_waiting, waiting_words


def approve(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - the journal knows when it began
    """Wait until a person says go on; what turns bad meanwhile stops the run."""
    facts = begin_waiting(run, step, step.args["before"], run.settings.resolved.value("approval.timeout"))
    gate, told = _gate(run, step), _tell(run, step, facts)
    while True:
        run.safe_point("while it waited for approval; traffic stays where it is")
        bad = _look(run, step, gate)
        if bad:
            return bad
        by = answer(run, step)
        if by:
            return passed(f"approved by {by}", by=by)
        if facts["until"] and run.world.cluster.now() >= datetime.fromisoformat(facts["until"]):
            return _over(run, facts)
        if run.world.clock.monotonic() - told >= REMIND:
            told = _tell(run, step, facts)
            if gate:
                gate.look_anew()  # a long good time would hide that things have just become bad
        run.world.clock.sleep(POLL)


def _tell(run: Run, step: Step, facts: Facts) -> float:
    """Say for what it waits; returns when, in the clock's monotonic seconds."""
    tell_waiting(run, step, facts, waiting_words(facts, run.release, run.world.cluster.now()))
    return run.world.clock.monotonic()


def _over(run: Run, facts: Facts) -> Outcome:
    """What becomes of the step when nobody answered in time."""
    said = f"nobody approved within the time given: {facts['for']}"
    if run.settings.resolved.value("approval.then") == "stop":
        return failed(said)
    return passed(f"{said}; it goes on all the same (approval.then)")


def _gate(run: Run, step: Step) -> Gate | None:
    """The gate of the step before, where it has one."""
    before = run.plan.step(step.args["after"])
    return gate_of(run, before) if before and "trial" in before.args else None


def _look(run: Run, step: Step, gate: Gate | None) -> Outcome | None:
    """What speaks against going on. Raises Stuck when somebody else wrote into the routes that the run moved."""
    if gate:
        return gate.bad_sign()
    before = run.plan.step(step.args["after"])
    if before:
        look(run, [float(before.args["share"])])
    return None
