"""DECLARE: one incident per run, opened once, kept up to date, resolved or handed over. It never delays or fails a run.

It listens where people do, to the events of the run, and tells each notifier by a thread of its own (teller.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from helm_safe.core.printable import printable
from helm_safe.core.redact import redact
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import ClusterError, HelmSafeError, Interrupted, LostLease
from helm_safe.model.events import Event, Level
from helm_safe.model.incident import LINE, Notice, State, cut, incident_key
from helm_safe.model.machine import committed, safe_place, safe_share
from helm_safe.model.plan import EndState, Stage
from helm_safe.model.records import INCIDENT, NOTIFIER, Kind, fold
from helm_safe.rollback.context import Run, safe_words
from helm_safe.rollback.handover import needed
from helm_safe.rollback.teller import Teller

BUDGET = 15.0
"""Seconds that the end of a run waits for those who are told."""


@contextmanager
def declared(run: Run) -> Iterator[None]:
    """Tell the policy's notifiers of the run while it goes on, and of its end; errors pass through."""
    openers = run.world.notifiers(run.settings, run.release.namespace, lambda words: _show(run, words))
    if not openers:
        yield
        return
    desk = Desk(run)
    run.world = run.world.listening(desk)
    try:
        desk.open(openers)
        yield
        desk.close(*_end_of(run))
    except Interrupted as error:
        desk.close(State.INTERRUPTED, error.message)
        raise
    except LostLease:
        raise
    except HelmSafeError as error:
        desk.close(State.STUCK, error.message)
        raise
    finally:
        desk.leave()
        run.world = run.world.listening(desk.inner)


class Desk:
    """A reporter that passes on what it hears, and makes notices of it."""

    def __init__(self, run: Run) -> None:
        self.inner = run.world.reporter
        self._run = run
        self._tellers: list[Teller] = []
        self._shut = False
        self._state = State.UNDER_WAY
        self._stage = ""
        self._share = ""
        self._needs = ""
        self._waits = ""
        self._incident: Mapping[str, Any] = {}
        self._speaking = threading.Lock()
        self._hearing = {
            "": self._hear_words,
            "step": self._hear_step,
            "weights": self._hear_weights,
            "waiting": self._hear_waiting,
            "paused": self._hear_paused,
        }

    def open(self, openers: Mapping[str, Any]) -> None:
        """Name the incident, or find the one that is joined; journaled, so that every later process uses the same."""
        run = self._run
        if run.captured(INCIDENT).get("key") != (run.settings.incident or run.captured(INCIDENT).get("key", "")):
            _name(run)
        self._incident = run.captured(INCIDENT)
        known = run.progress.told
        self._tellers = [
            Teller(name, opener, run.world.clock, known.get(name, {}), self._remember)
            for name, opener in openers.items()
        ]
        words = "goes on" if run.progress.begun or run.progress.done else "begins"
        self._tell(f"run {run.journal.run_id} {words}")

    def event(self, event: Event) -> None:
        """Pass it on, one at a time: notifiers speak from threads of their own."""
        with self._speaking:
            self.inner.event(event)
        if not self._tellers or self._shut or event.stage == Stage.DECLARE.value:
            return
        hear = self._hearing.get(event.data.get("kind", ""))
        if hear:
            hear(event)

    def close(self, state: State, reason: str) -> None:
        """Tell the end, and wait for at most BUDGET seconds until it is told."""
        self._state = state
        self._needs = needed(self._run, state)
        self._tell(reason, last=True)
        clock = self._run.world.clock
        deadline = clock.monotonic() + BUDGET
        for teller in self._tellers:
            if not teller.join(deadline - clock.monotonic()):
                self._say(f"notifier {teller.name} did not take the end of the run within {BUDGET:.0f} s")
            elif teller.trouble:
                self._say(f"notifier {teller.name} was not told all: {teller.trouble}")

    def leave(self) -> None:
        """Whatever is still to be told is not: the run has no process that could journal it."""
        self._shut = True
        for teller in self._tellers:
            teller.leave()

    def _hear_words(self, event: Event) -> None:
        if event.level in (Level.WARNING, Level.ERROR) and event.message:
            self._tell(event.message)

    def _hear_step(self, event: Event) -> None:
        self._stage = event.stage
        self._state, self._needs, self._waits = State.UNDER_WAY, "", ""
        if event.data.get("state") != "begun" and event.message:
            failed = "failed: " if event.data.get("state") == "failed" else ""
            self._tell(f"{event.stage}: {failed}{event.message}")

    def _hear_weights(self, event: Event) -> None:
        rows = event.data.get("services", ())
        self._share = ", ".join(f"{row['wanted']:g} % at {row['name']}" for row in rows if row["wanted"])
        if event.message:
            self._tell(f"{event.stage}: {event.message}")

    def _hear_waiting(self, event: Event) -> None:
        """It is reminded of every few minutes; people are told once."""
        if self._waits == event.data.get("waits"):
            return
        self._waits = str(event.data.get("waits"))
        self._state = State.WAITING
        who = event.data.get("who") or "whoever may approve"
        command = f"`helm safe-rollback promote {self._name}` lets it go on, `abort` stops it"
        self._needs = f"{who}: approve before {event.data.get('for')}; {command}"
        self._tell(event.message)

    def _hear_paused(self, event: Event) -> None:
        self._state = State.PAUSED
        self._needs = f"whoever paused it: `helm safe-rollback resume {self._name}` lets it go on"
        self._tell(event.message)

    @property
    def _name(self) -> str:
        return f"{self._run.release.name} -n {self._run.release.namespace}"

    def _tell(self, words: str, *, last: bool = False) -> None:
        lines = (cut(printable(redact(words)), LINE),) if words else ()
        notice = self._notice(lines)
        for teller in self._tellers:
            teller.tell(notice, last=last)

    def _notice(self, lines: tuple[str, ...]) -> Notice:
        run, plan, now = self._run, self._run.plan, self._run.world.clock.now()
        rolls = any(step.action == "rollback" for step in plan.steps)
        subject = f"rollback from revision {plan.current} to revision {plan.target}"
        return Notice(
            key=str(self._incident.get("key", "")),
            joined=bool(self._incident.get("joined")),
            at=now,
            began=run.progress.started_at or now,
            state=self._state,
            cluster=str(self._incident.get("cluster") or "unknown"),
            namespace=run.release.namespace,
            release=run.release.name,
            subject=subject if rolls else f"isolation of revision {plan.current}",
            current=plan.current,
            target=plan.target,
            strategy=plan.strategy,
            by=run.progress.started_by.partition(" run ")[0],
            run=run.journal.run_id,
            stage=self._stage,
            share=self._share or _belong(run),
            lines=lines,
            needs=self._needs,
            open=self._state is not State.SUCCEEDED,
            attended=bool(self._incident.get("attended")),
        )

    def _remember(self, name: str, data: Mapping[str, Any]) -> bool:
        """Journal it while this process may. What cannot be journaled now is not told as if it were."""
        if self._run.settings.notify_dry_run:
            return True
        at = self._run.world.clock.now().isoformat()
        try:
            with self._run.writing:
                if self._shut:
                    return False
                self._run.record(Kind.CAPTURED, Stage.DECLARE, NOTIFIER + name, {**data, "at": at})
        except LostLease:
            self._shut = True
            return False
        except HelmSafeError:
            return False
        return True

    def _say(self, words: str) -> None:
        now = self._run.world.clock.now()
        self.event(Event(now, Stage.DECLARE.value, Level.WARNING, printable(redact(words))))


def _name(run: Run) -> None:
    """A key of its own for the run, or the one that it joins, with what an earlier run remembers of that."""
    cluster = ""
    with suppress(ClusterError):
        kind = run.served().preferred("", "Namespace")
        found = run.world.cluster.get(kind, "", "kube-system") if kind else None
        cluster = str((found or {}).get("metadata", {}).get("uid", ""))[:8]
    joined = printable(run.settings.incident)
    key = joined or incident_key(cluster, run.release.namespace, run.release.name, run.journal.run_id)
    for name, data in _remembered(run, joined).items():
        run.record(Kind.CAPTURED, Stage.DECLARE, NOTIFIER + name, data)
    attended = not (run.settings.yes or run.settings.guarding)
    body = {"key": key, "joined": bool(joined), "cluster": cluster, "attended": attended}
    run.record(Kind.CAPTURED, Stage.DECLARE, INCIDENT, body)


def _remembered(run: Run, key: str) -> dict[str, dict[str, Any]]:
    """What the newest run of the release with this incident knows of the notifiers."""
    if not key:
        return {}
    with suppress(ClusterError):
        for records in reversed(list(runs_of(run.world.cluster, run.release).values())):
            progress = fold(records)
            if progress.captured.get(INCIDENT, {}).get("key") == key:
                return progress.told
    return {}


def _end_of(run: Run) -> tuple[State, str]:
    """How the run ended for people, and why: a gate that stops it before COMMIT leaves the release as it was."""
    progress, out = run.progress, (*run.plan.undo, *run.plan.hold)
    stuck = any(step.id in progress.done and not progress.passed(step.id) for step in out)
    if progress.end == EndState.SUCCEEDED.value and not committed(progress):
        return State.ISOLATED, "all users are at a backend that has proved itself"
    if progress.end == EndState.SUCCEEDED.value:
        restored = progress.done.get("rollback", {}).get("revision", "the newest one")
        return State.SUCCEEDED, f"revision {restored} is live, with the manifest of revision {run.plan.target}"
    if progress.end == EndState.BLOCKED.value:
        return State.BLOCKED, progress.reason
    return State.FAILED if stuck or committed(progress) else State.ABORTED, progress.reason


def _belong(run: Run) -> str:
    if run.plan.traffic is None:
        return safe_place(run.plan, run.progress)
    return safe_words(run.plan, safe_share(run.plan, run.progress))


def _show(run: Run, words: str) -> None:
    """Lines of `--notify-dry-run` and of the notifier stdout, among the run's own."""
    run.world.reporter.event(Event(run.world.clock.now(), Stage.DECLARE.value, Level.INFO, words))
