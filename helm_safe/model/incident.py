"""What people are told of a run: one incident, opened once, kept up to date, resolved or handed over. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

KEY_LIMIT = 255
OURS = "helm-safe/"
LINE, LINES = 500, 20
"""Characters of one line of a notice, and lines at most: a notice is read on a telephone."""


class Urgency(str, Enum):
    """How soon somebody must look, in PagerDuty's words."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class State(str, Enum):
    """How the run stands. The value is for machines; `words` are for people."""

    UNDER_WAY = "UNDER_WAY"
    WAITING = "WAITING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    ISOLATED = "ISOLATED"
    ABORTED = "ABORTED"
    BLOCKED = "BLOCKED"
    FAILED = "FAILED"
    STUCK = "STUCK"
    INTERRUPTED = "INTERRUPTED"
    TEST = "TEST"

    @property
    def words(self) -> str:
        return _STATES[self][0]

    @property
    def ends(self) -> bool:
        """Whether the run has ended, so that the incident is resolved or handed over."""
        return self in (State.SUCCEEDED, State.ISOLATED, State.ABORTED, State.BLOCKED, State.FAILED, State.TEST)

    @property
    def urgency(self) -> Urgency:
        """The map of severities, the same for every notifier."""
        return _STATES[self][1]


_STATES = {
    State.UNDER_WAY: ("is under way", Urgency.WARNING),
    State.WAITING: ("waits for a person", Urgency.ERROR),
    State.PAUSED: ("is paused", Urgency.WARNING),
    State.SUCCEEDED: ("succeeded", Urgency.INFO),
    State.ISOLATED: ("succeeded; the release itself is as it was", Urgency.ERROR),
    State.ABORTED: ("was stopped before the release was touched", Urgency.CRITICAL),
    State.BLOCKED: ("is blocked; the release is untouched", Urgency.WARNING),
    State.FAILED: ("failed", Urgency.CRITICAL),
    State.STUCK: ("stopped in the middle", Urgency.CRITICAL),
    State.INTERRUPTED: ("was interrupted and can be resumed", Urgency.ERROR),
    State.TEST: ("is not happening: this is a test of the notifications", Urgency.INFO),
}


class NotSent(Exception):
    """A message that did not arrive, and why, for people; it never holds a secret. unsure: it may have arrived."""

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.unsure = unsure


@dataclass(frozen=True, slots=True)
class Notice:
    """What is true of a run now.

    key: names the incident, see `incident_key`. joined: it was opened by somebody else. number: of the update, counted
    per notifier. subject: "rollback from revision 4 to revision 3". by: who started it. attended: a person at a
    terminal said yes to it. share: where users are. lines: what happened since the last notice, oldest first. needs:
    what is needed from whom, "" for nothing. open: whether the incident stays open, which is for somebody then.
    """

    key: str
    at: datetime
    began: datetime
    state: State
    cluster: str
    namespace: str
    release: str
    subject: str
    current: int
    target: int
    strategy: str
    by: str
    run: str
    stage: str = ""
    share: str = ""
    lines: tuple[str, ...] = ()
    needs: str = ""
    open: bool = True
    joined: bool = False
    attended: bool = False

    @property
    def foreign(self) -> bool:
        """Whether somebody else opened the incident: then it is theirs to resolve."""
        return self.joined and not self.key.startswith(OURS)

    @property
    def resolves(self) -> bool:
        return not self.open and not self.foreign

    @property
    def title(self) -> str:
        """One line: what, where, how it stands."""
        return f"{self.release} in {self.namespace}: {self.subject} {self.state.words}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What, where, who, for a table."""
        found = (
            ("Release", self.release),
            ("Namespace", self.namespace),
            ("Cluster", self.cluster),
            ("From revision", str(self.current)),
            ("To revision", str(self.target) if self.target != self.current else ""),
            ("Stage", self.stage),
            ("Users", self.share),
            ("Strategy", self.strategy),
            ("Started by", self.by),
            ("Needed", self.needs),
        )
        return tuple((name, value) for name, value in found if value)

    @property
    def text(self) -> str:
        """All of it in plain words, a sentence a line."""
        return "\n".join([f"{self.title}.", *self.lines, *(f"{name}: {value}" for name, value in self.facts[2:])])

    def to_json(self, event: str) -> dict[str, Any]:
        """The published shape (schema notice). event: opened, updated or closed."""
        return {
            "event": event,
            "key": self.key,
            "at": self.at.isoformat(),
            "startedAt": self.began.isoformat(),
            "state": self.state.value,
            "urgency": self.state.urgency.value,
            "open": self.open,
            "title": self.title,
            "lines": list(self.lines),
            "needs": self.needs,
            "run": self.run,
            "cluster": self.cluster,
            "namespace": self.namespace,
            "release": self.release,
            "from": self.current,
            "to": self.target,
            "strategy": self.strategy,
            "stage": self.stage,
            "users": self.share,
            "startedBy": self.by,
        }


Memory = Mapping[str, str]
"""What a notifier must remember of an incident to go on with it, from another machine too: journaled, so no secret."""


class Notifier(Protocol):
    """One place where people are told of an incident. Each call may take half a minute, and raises NotSent."""

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        """memory: "unsure" where an earlier process may have opened it and died before it could say so."""
        ...

    def updated(self, notice: Notice, memory: Memory) -> Memory: ...

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        """Resolved, or handed over to a person (`notice.open`)."""
        ...


def incident_key(cluster: str, namespace: str, release: str, run: str) -> str:
    """The key under which all notifiers know the incident of a run. cluster: the UID of namespace kube-system."""
    return cut(f"{OURS}{cluster[:8] or 'unknown'}/{namespace}/{release}/{run}", KEY_LIMIT)


def cut(text: str, most: int) -> str:
    """At most so many characters, the loss shown."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
