"""A step that waits for a person: for what, for whom, until when, what happens then; and the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.printable import printable
from helm_safe.model.events import Level
from helm_safe.model.machine import safe_share
from helm_safe.model.plan import Step
from helm_safe.model.records import Kind
from helm_safe.model.revisions import Release
from helm_safe.rollback.context import Run, safe_words

Facts = dict[str, Any]
"""As journaled, in events and in `status`: for, who, since and until (ISO; None for as long as it takes), then."""

REMIND = 300.0
"""Seconds between two times that a waiting is told."""


def begin_waiting(run: Run, step: Step, before: str, seconds: float | None) -> Facts:
    """Journal that the step waits, so that the time left and the answer outlive this process.

    before: what waits, a clause for people. seconds: how long, None for as long as it takes. A waiting that was begun
    before goes on as it was.
    """
    if step.id not in run.progress.waits:
        now = run.world.cluster.now()
        facts = {
            "for": before,
            "who": printable(run.settings.resolved.value("approval.from")),
            "since": now.isoformat(),
            "until": None if seconds is None else (now + timedelta(seconds=seconds)).isoformat(),
            "then": "for as long as it takes" if seconds is None else _then(run),
        }
        run.record(Kind.WAITING, step.stage, step.id, facts)
    return run.progress.waits[step.id]


def answer(run: Run, step: Step) -> str:
    """Who approved what the step waits for, "user@host"; "" while nobody did, or it does not wait."""
    wanted = (run.journal.run_id, step.id, run.progress.waits.get(step.id, {}).get("since"))
    return next((each.by for each in run.lock.approvals() if each[:3] == wanted), "")


def tell_waiting(run: Run, step: Step, facts: Facts, words: str) -> None:
    """The event of a waiting, for people, screens and machines alike."""
    run.tell(step.stage, words, Level.WARNING, kind="waiting", waits=step.id, **facts)


def waiting_words(facts: Facts, release: Release, now: datetime) -> str:
    """All of it in one sentence, and how to answer."""
    name = f"{release.name} -n {release.namespace}"
    who = f" by {facts['who']}" if facts["who"] else ""
    return (
        f"waiting for approval{who} before {facts['for']}; {_until(facts['until'], now)}{facts['then']}. "
        f"Approve: `helm safe-rollback promote {name}`; stop: `helm safe-rollback abort {name}`"
    )


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
