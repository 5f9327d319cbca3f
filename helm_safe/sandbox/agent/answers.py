"""What a container of a role answers to one request, and what it logs about it. Pure but for its own counters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

from helm_safe.sandbox.agent.roles import Behaviour, Role
from helm_safe.sandbox.agent.usage import Recent

_TRUTH = re.compile(r"ready|readiness|startup|warm", re.IGNORECASE)
_POLITE = re.compile(r"health|healthz|live|livez|liveness|alive|ping|status", re.IGNORECASE)
_SQL = 'ERROR: column "legacy_total" does not exist (SQLSTATE 42703)'


@dataclass(frozen=True, slots=True)
class Answer:
    """delay: seconds before it is sent. log: a line for the container's log, empty for none."""

    status: int
    message: str
    delay: float = 0.0
    log: str = ""


@dataclass(slots=True)
class Answering:
    """The memory of one run of a container's process: when it started and how much it has served.

    A cold process is slow and fails until its time is over and its requests are served; a request for the truth
    (`/ready`) warms it like any other. Its polite endpoint (`/healthz`) says 200 all the while.
    """

    behaviour: Behaviour
    started: float
    dice: Random = field(default_factory=Random)
    served: int = 0
    recent: Recent = field(default_factory=Recent)

    def cold(self, now: float) -> bool:
        own = self.behaviour
        if own.role is not Role.COLD:
            return False
        return now - self.started < own.cold_seconds or self.served < own.cold_requests

    def answer(self, method: str, path: str, now: float) -> Answer:
        """The answer to a request for `path`, which may be anything."""
        self.recent.add(now)
        last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        truth, polite = bool(_TRUTH.search(last)), bool(_POLITE.search(last))
        if (truth or polite) and now - self.started < self.behaviour.ready_after:
            return Answer(503, "starting")
        if polite and not truth:
            return Answer(200, "ok")
        if truth:
            return self._truth(now)
        return self._work(f"{method} {path[:200]!r}", now)

    def cores(self, now: float) -> float:
        """Processor cores in use; whoever asks for health takes as much as any other."""
        return self.recent.cores(now, since=self.started, cost=self.behaviour.cpu_per_request)

    def ready(self, now: float) -> bool:
        return now - self.started >= self.behaviour.ready_after

    def _well(self, now: float) -> bool:
        """Whether it is the turn in which also a broken one serves."""
        turns = self.behaviour.turns
        return turns > 0 and int((now - self.started) / turns) % 2 == 0

    def _truth(self, now: float) -> Answer:
        cold = self.cold(now)
        self.served += 1
        return Answer(503, "warming up") if cold else Answer(200, "ready")

    def _work(self, what: str, now: float) -> Answer:
        own, cold = self.behaviour, self.cold(now)
        self.served += 1
        failing = self.dice.random() < own.error_rate
        if cold and failing:
            return Answer(
                503,
                "connection pool is empty",
                own.cold_latency,
                f"ERROR {what} 503 connection pool is empty: timed out waiting for a connection",
            )
        if cold:
            return Answer(200, "ok", own.cold_latency)
        if own.role is Role.BROKEN and failing and not self._well(now):
            return Answer(
                500,
                "internal error",
                own.latency,
                f"ERROR {what} 500 unhandled exception: NullPointerException in CheckoutHandler",
            )
        if own.role is Role.SCHEMA_MISMATCH and failing:
            return Answer(500, _SQL, own.latency, f"{_SQL}; {what} 500")
        return Answer(200, "ok", own.latency)
