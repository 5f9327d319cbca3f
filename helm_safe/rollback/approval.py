"""Waiting for a person: who shall say what until when, and what happens when nobody does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.printable import printable
from helm_safe.model.events import Level
from helm_safe.model.machine import safe_share
from helm_safe.model.plan import Step
from helm_safe.model.records import Kind
from helm_safe.model.revisions import Release
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run, safe_words
from helm_safe.rollback.gate import POLL, Gate
from helm_safe.rollback.shift import judged_pods
from helm_safe.rollback.traffic import look

REMIND = 300.0
"""Seconds between two reminders, and after which the watch over users' requests begins anew: a long good time would
hide that things have just become bad."""


class Wait:
    """A step waits for a person. What for is journaled, so that the time left and the answer outlive this process."""

    def __init__(self, run: Run, step: Step, before: str) -> None:
        """before: what waits, a clause for people. Told at once; a waiting that was begun before goes on."""
        self._run = run
        self._step = step
        if step.id not in run.progress.waits:
            run.record(Kind.WAITING, step.stage, step.id, _facts(run, before))
        self._facts = run.progress.waits[step.id]
        self._tell()

    def answer(self) -> str:
        """Who approved, "user@host"; "" while nobody did."""
        wanted = (self._run.journal.run_id, self._step.id, self._facts["since"])
        given = [each.by for each in self._run.lock.approvals() if each[:3] == wanted]
        return given[0] if given else ""

    def over(self) -> Outcome | None:
        """What becomes of the step when nobody answered in time, None before that."""
        if self._facts["until"] is None or self._run.world.cluster.now() < datetime.fromisoformat(self._facts["until"]):
            return None
        said = f"nobody approved within the time given: {self._facts['for']}"
        then = self._run.settings.resolved.value("approval.then")
        return failed(said) if then == "stop" else passed(f"{said}; it goes on all the same (approval.then)")

    def remind(self) -> bool:
        """Tell it again when that is due; returns whether it was."""
        due = self._run.world.clock.monotonic() - self._told >= REMIND
        if due:
            self._tell()
        return due

    def _tell(self) -> None:
        self._told = self._run.world.clock.monotonic()
        words = waiting_words(self._facts, self._run.release, self._run.world.cluster.now())
        self._run.tell(self._step.stage, words, Level.WARNING, kind="waiting", waits=self._step.id, **self._facts)


def approve(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - the journal knows when it began
    """Wait until a person says go on, and look meanwhile as the gate before did: what is bad stops the run."""
    wait = Wait(run, step, step.args["before"])
    gate = _gate(run, step)
    while True:
        run.safe_point("while it waited for approval; traffic stays where it is")
        bad = _look(run, step, gate)
        if bad:
            return bad
        by = wait.answer()
        if by:
            return passed(f"approved by {by}", by=by)
        decided = wait.over()
        if decided:
            return decided
        if wait.remind() and gate:
            gate.look_anew()
        run.world.clock.sleep(POLL)


def waiting_words(facts: dict[str, Any], release: Release, now: datetime) -> str:
    """What a run waits for, for whom, until when, what happens then, and how to answer. facts: as journaled."""
    name = f"{release.name} -n {release.namespace}"
    who = f" by {facts['who']}" if facts["who"] else ""
    return (
        f"waiting for approval{who} before {facts['for']}; {_until(facts['until'], now)}{facts['then']}. "
        f"Approve: `helm safe-rollback promote {name}`; stop: `helm safe-rollback abort {name}`"
    )


def _facts(run: Run, before: str) -> dict[str, Any]:
    value, now = run.settings.resolved.value, run.world.cluster.now()
    seconds = value("approval.timeout")
    return {
        "for": before,
        "who": printable(value("approval.from")),
        "since": now.isoformat(),
        "until": None if seconds is None else (now + timedelta(seconds=seconds)).isoformat(),
        "then": _then(run) if seconds is not None else "for as long as it takes",
    }


def _then(run: Run) -> str:
    """What happens when nobody answers in time."""
    if run.settings.resolved.value("approval.then") == "go-on":
        return "the run goes on"
    share = safe_share(run.plan, run.progress)
    if share is not None:
        return f"the run stops, with all users at {safe_words(run.plan, share)}"
    return "the run stops and everything is put back" if run.plan.traffic else "the run stops, with nothing changed"


def _until(until: str | None, now: datetime) -> str:
    """The moment in local time, and how far it is."""
    if until is None:
        return ""
    moment = datetime.fromisoformat(until)
    local, left = moment.astimezone(), (moment - now).total_seconds()
    day = "" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d} "
    return f"until {day}{local:%H:%M:%S %Z} ({_span(left)}), then "


def _span(seconds: float) -> str:
    if seconds <= 0:
        return "over"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} left"
    return f"{seconds:.0f} s left"


def _gate(run: Run, step: Step) -> Gate | None:
    """The gate of the step before, where it has one."""
    before = run.plan.step(step.args["after"])
    return Gate(run, before, judged_pods(run, before)) if before and "trial" in before.args else None


def _look(run: Run, step: Step, gate: Gate | None) -> Outcome | None:
    """What speaks against going on. Raises Stuck when somebody else wrote into the routes that the run moved."""
    if gate:
        return gate.bad_sign()
    before = run.plan.step(step.args["after"])
    if before:
        look(run, [float(before.args["share"])])
    return None
