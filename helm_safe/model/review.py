"""What a run's journal tells afterwards: one paragraph, a timeline, curves, and what did not come back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helm_safe.model.machine import Verdict, committed
from helm_safe.model.plan import EndState, Plan
from helm_safe.model.records import NOTIFIER, Kind, Progress, Record, fold
from helm_safe.model.revisions import Release


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline. seconds: since the start. took: None where it did not end. good: None for notes."""

    at: datetime
    seconds: float
    stage: str
    title: str
    words: str = ""
    took: float | None = None
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A gate's last look. share: percent of the users on whoever was judged; success 0..1, p95 in seconds, or None."""

    step: str
    seconds: float
    share: float
    actual: float | None
    success: float | None
    p95: float | None
    requests: int
    good: bool
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A run for people who were not there. shares: (seconds, percent of the users on proven or target pods)."""

    release: Release
    run: str
    plan: Plan
    state: str
    reason: str
    by: str
    started: datetime
    seconds: float
    rows: tuple[Row, ...]
    shares: tuple[tuple[float, float], ...]
    looks: tuple[Look, ...]
    findings: tuple[dict[str, Any], ...]
    suspicions: tuple[str, ...]
    evidence: str
    safe: str
    committed: bool
    restored: str = ""

    @property
    def good(self) -> bool:
        return self.state == EndState.SUCCEEDED.value

    @property
    def title(self) -> str:
        return f"{self.release.name}: revision {self.plan.current} → {self.plan.target}"

    @property
    def accepted(self) -> list[dict[str, Any]]:
        return [each for each in self.findings if each.get("status") == "waived"]

    @property
    def open(self) -> list[dict[str, Any]]:
        """What fails or could not be looked at."""
        return [each for each in self.findings if each.get("status") != "waived" and each.get("severity") != "info"]


def review(release: Release, run: str, records: Sequence[Record]) -> Review:
    """Raises ValueError where the journal has no plan: there is nothing to tell."""
    progress = fold(records)
    if progress.plan is None or progress.started_at is None:
        raise ValueError(f"the journal of run {run} has no plan")
    start, plan = progress.started_at, progress.plan
    last = progress.last.at if progress.last else start
    autopsy = progress.done.get("autopsy", {})
    return Review(
        release=release,
        run=run,
        plan=plan,
        state=progress.end or "UNFINISHED",
        reason=progress.reason,
        by=progress.started_by.partition(" run ")[0],
        started=start,
        seconds=(last - start).total_seconds(),
        rows=tuple(_rows(records, plan, start)),
        shares=tuple(_shares(records, plan, start)),
        looks=tuple(_looks(records, start)),
        findings=tuple(_findings(records)),
        suspicions=tuple(map(str, autopsy.get("suspicions", ()))),
        evidence=str(autopsy.get("folder", "")),
        safe=str(progress.safe.get("to", "")),
        committed=committed(progress),
        restored=_restored(progress),
    )


def summary(told: Review) -> str:
    """One paragraph that a person who was not there understands."""
    plan, minutes = told.plan, _span(told.seconds)
    began = f"{told.by or 'Somebody'} took {told.release.name} in {told.release.namespace} from revision {plan.current}"
    how = f"{began} back to revision {plan.target} by the strategy {plan.strategy} ({plan.why})."
    if told.good:
        seen = [look for look in told.looks if look.success is not None]
        met = (
            f" At the last step {_percent(seen[-1].success)} of {seen[-1].requests} requests succeeded." if seen else ""
        )
        return f"{how} It succeeded after {minutes}{told.restored}.{met}"
    if told.state == "UNFINISHED":
        return f"{how} It is not finished; if nobody goes on, users are at {told.safe or 'the weights of before'}."
    where = "after the native rollback" if told.committed else "before the release was touched"
    return f"{how} It ended {told.state} {where}, after {minutes}: {told.reason}. Users are at {told.safe}."


def forward(told: Review) -> list[str]:
    """Commands with which somebody goes on from here."""
    name = f"{told.release.name} -n {told.release.namespace}"
    if told.good:
        return [f"helm upgrade {name} …   # the mended version, once its cause is known", f"helm history {name}"]
    if told.state == "UNFINISHED":
        return [f"helm safe-rollback resume {name}", f"helm safe-rollback abort {name}"]
    again = [f"helm safe-rollback resume {name}"] if told.committed else []
    return [*again, f"helm safe-rollback plan {name}", f"helm history {name}"]


def _between(record: Record, seconds: float) -> Iterator[Row]:
    """What is no step: who was waited for, who took over, who was told (names only)."""
    if record.kind is Kind.WAITING:
        yield Row(record.at, seconds, record.stage, f"waiting for approval: {record.data.get('for', '')}")
    if record.kind is Kind.NOTE and record.data.get("taken over by"):
        yield Row(record.at, seconds, record.stage, f"taken over by {record.data['taken over by']}")
    did, why = str(record.data.get("did", "")), str(record.data.get("failed", ""))
    if record.step.startswith(NOTIFIER) and did != "opening":
        name = record.step[len(NOTIFIER) :]
        title = f"notifier {name} was not told" if why else f"incident {did} at notifier {name}"
        yield Row(record.at, seconds, record.stage, title, why, None, False if why else None)


def _rows(records: Sequence[Record], plan: Plan, start: datetime) -> Iterator[Row]:
    begun: dict[str, Record] = {}
    for record in records:
        seconds, step = (record.at - start).total_seconds(), plan.step(record.step)
        if record.kind is Kind.INTENT:
            begun[record.step] = record
        if record.kind is Kind.DONE and step:
            since = begun.get(record.step, record)
            yield Row(
                since.at,
                (since.at - start).total_seconds(),
                record.stage,
                step.title,
                _words(record),
                max(0.0, (record.at - since.at).total_seconds()),
                record.data.get("verdict") == Verdict.PASS.value,
            )
            begun.pop(record.step, None)
        yield from _between(record, seconds)
        if record.kind is Kind.END:
            state = str(record.data.get("state", ""))
            yield Row(
                record.at,
                seconds,
                record.stage,
                f"the run ended {state}",
                str(record.data.get("reason", "")),
                None,
                state == EndState.SUCCEEDED.value,
            )
    for record in begun.values():
        step = plan.step(record.step)
        yield Row(record.at, (record.at - start).total_seconds(), record.stage, step.title if step else record.step)


def _words(record: Record) -> str:
    return str(record.data.get("message") or record.data.get("reason") or "")


def _shares(records: Sequence[Record], plan: Plan, start: datetime) -> Iterator[tuple[float, float]]:
    """Percent of the users away from the release's own pods of before, at each step that moves them, and at the end."""
    share = 0.0
    yield 0.0, share
    for record in records:
        step = plan.step(record.step)
        if record.kind is Kind.INTENT and step and "share" in step.args:
            share = float(step.args["share"] or 0.0)
            yield (record.at - start).total_seconds(), share
    if records:
        yield (records[-1].at - start).total_seconds(), share


def _looks(records: Sequence[Record], start: datetime) -> Iterator[Look]:
    for record in records:
        if record.kind is Kind.DONE and record.data.get("gates"):
            gates = {str(each["name"]): each for each in record.data["gates"]}
            success, latency = gates.get("success rate", {}), gates.get("latency", {})
            yield Look(
                record.step,
                (record.at - start).total_seconds(),
                float(record.data.get("wanted") or record.data.get("share") or 0.0),
                record.data.get("actual"),
                success.get("value"),
                latency.get("value"),
                int(success.get("samples") or 0),
                record.data.get("verdict") == Verdict.PASS.value,
                tuple(str(each.get("sentence", "")) for each in record.data["gates"]),
            )


def _findings(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    for record in records:
        if record.kind is Kind.START:
            yield from record.data.get("findings", ())


def _restored(progress: Progress) -> str:
    number = progress.done.get("rollback", {}).get("revision")
    return f", as revision {number}" if number else ""


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.2f} %"
