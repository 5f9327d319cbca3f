"""Logs of watched pods, a few at a time: known errors, and far more lines than the others write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from helm_safe.core.objects import Object, dig, name_of, sequence
from helm_safe.core.redact import redact
from helm_safe.model.errors import ClusterError, Forbidden
from helm_safe.model.events import Level
from helm_safe.model.health import Health, restarts_of
from helm_safe.model.logbook import LINES, Source
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.signatures import FATAL, Match
from helm_safe.model.times import parse_time
from helm_safe.rollback.context import Run, in_parallel

EVERY = 10.0
READS, BESIDE = 3, 1  # at a time, in turn: of a large release the next ones are read ten seconds later
FATAL_LINES = 3


@dataclass
class LogWatch:
    """Reads in turn; what was read stays with the run, also of pods that are gone."""

    run: Run
    stage: Stage
    at: float = float("-inf")
    turns: dict[bool, int] = field(default_factory=dict)

    def look(self, pods: Sequence[Object], others: Sequence[Object]) -> Health | None:
        """FAIL for errors that condemn the pods, None otherwise; the rest is told. others: those to compare with."""
        now = self.run.world.clock.monotonic()
        if now - self.at < EVERY:
            return None
        self.at = now
        mine, theirs = {uid_of(pod) for pod in pods}, {uid_of(pod) for pod in others}
        rows = [*self._turn(pods, READS, beside=False), *self._turn(others, BESIDE, beside=True)]
        heard = self._read(rows) if rows else []
        verdicts = [self._judge(*row, theirs) for row in heard if uid_of(row[0]) in mine]
        for container, words in self.run.logs.louder(mine, theirs):
            self.run.tell_once(self.stage, f"louder {container}", f"container {container} {words}")
        return next((each for each in verdicts if each), None)

    def _turn(self, pods: Sequence[Object], count: int, *, beside: bool) -> list[tuple[Object, str]]:
        """The next containers; those of pods that restarted come first."""
        every = [
            (pod, str(status.get("name")))
            for pod in sorted(pods, key=restarts_of, reverse=True)
            for status in sequence(pod, "status", "containerStatuses")
            if dig(status, "state", "running") or dig(status, "lastState", "terminated")
        ]
        start = self.turns.get(beside, 0) % len(every) if every else 0
        self.turns[beside] = start + count
        return (every[start:] + every[:start])[:count]

    def _read(self, rows: list[tuple[Object, str]]) -> list[tuple[Object, str, list[Match]]]:
        now, book = self.run.world.cluster.now(), self.run.logs
        sources = [Source(uid_of(pod), container) for pod, container in rows]
        logs = in_parallel(lambda row: self._log(*row[0], book.since(row[1], now)), zip(rows, sources, strict=True))
        return [
            (pod, container, book.note(source, log, _started(pod, container), now))
            for (pod, container), source, log in zip(rows, sources, logs, strict=True)
        ]

    def _log(self, pod: Object, container: str, since: float) -> str:
        namespace = self.run.release.namespace
        try:
            return self.run.world.cluster.logs(namespace, name_of(pod), container, lines=LINES, since=since)
        except Forbidden:
            raise
        except ClusterError:
            return ""  # the container is between two lives; the next look sees it

    def _judge(self, pod: Object, container: str, found: list[Match], others: set[str]) -> Health | None:
        for match in found:
            if match.signature.family not in FATAL or match.times < FATAL_LINES:
                continue
            meaning = f"{match.signature.meaning} ({match.signature.id})"
            if self.run.logs.as_often(match, Source(uid_of(pod), container), others):
                words = f"container {container} logs {meaning}, as often as the others: {redact(match.line)}"
                self.run.tell_once(self.stage, f"both {container} {match.signature.id}", words, Level.INFO)
                continue
            said = f"Pod/{name_of(pod)} ({container}) logged {meaning} {match.times} times"
            return Health(Verdict.FAIL, f"{said}: {redact(match.line)}")
        return None


def uid_of(pod: Object) -> str:
    return str(dig(pod, "metadata", "uid") or name_of(pod))


def _started(pod: Object, container: str) -> datetime | None:
    statuses = (each for each in sequence(pod, "status", "containerStatuses") if each.get("name") == container)
    return parse_time(str(dig(next(statuses, {}), "state", "running", "startedAt") or ""))
