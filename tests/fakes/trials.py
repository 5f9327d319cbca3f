"""A shop whose users fare by chance, for the proof that a judge decides rightly: built in a line, run, and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from helm_safe.journal.lease import leave_request
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import HelmSafeError, UsageError
from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Annotated, Policy, resolve
from helm_safe.model.queries import Query, read_queries
from helm_safe.model.records import Kind, fold
from helm_safe.model.settings import Settings
from helm_safe.ports import QueryProvider
from helm_safe.rollback import control
from tests.fakes.controllers import Behaviour
from tests.fakes.crowd import Crowd, Profile
from tests.fakes.gateway import BUCKETS
from tests.fakes.runs import RELEASE
from tests.fakes.shop import Metrics, Shop, deployment, route, service, shop

TARGET, CURRENT = Behaviour(start=3.0), Behaviour(start=3.25)
Act = Callable[["Trial"], object]


@dataclass
class Trial:
    """One simulated rollback. acts: what happens when the run has said these words, in the first moment after."""

    folder: Path
    target: Profile
    current: Profile
    rate: float = 100.0
    seed: int = 0
    buckets: tuple[float, ...] = BUCKETS
    flags: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    accept: Mapping[str, str] = field(default_factory=dict)
    monitor: QueryProvider | None = None
    acts: tuple[tuple[str, float, Act], ...] = ()

    def __post_init__(self) -> None:
        chart = [service(), route()]
        one, two = deployment("1", replicas=None), deployment("2", replicas=None)
        known = {"1": TARGET, "2": CURRENT}
        self.shop: Shop = shop(self.folder, "csa", [one, *chart], [two, *chart], behaviours=known)
        profiles = {TARGET: self.target, CURRENT: self.current}
        self.crowd = Crowd(
            self.shop.cluster, self.shop.controllers, profiles, rate=self.rate, seed=self.seed, buckets=self.buckets
        )
        clock = self.shop.clock
        clock.passing = [self.crowd.wait, *clock.passing[1:], *(self._when(*act) for act in self.acts)]
        self.shop.world = replace(self.shop.world, metrics=Metrics(self.crowd), queries=lambda _: self._answering)

    def _answering(self, _: Query) -> QueryProvider:
        if self.monitor is None:
            raise UsageError("no monitoring system is known")
        return self.monitor

    def ask(self, verb: str) -> None:
        """What another terminal asks of the run."""
        leave_request(self.shop.cluster, RELEASE, verb)

    def run(self) -> Decision:
        """From INSPECT to the end."""
        values = {**self.policy, "gates.queries": read_queries(self.policy.get("gates.queries", []))}
        flags = {"strategy": "standby", **self.flags}
        resolved = resolve(flags, Policy("policy", values), Annotated(0, {}), Annotated(0, {}))
        settings = replace(Settings(yes=True), accept=self.accept).settled(resolved)
        problem = ""
        try:
            control.start(self.shop.world, RELEASE, 1, settings, show=lambda _: None, confirm=lambda _: True)
        except HelmSafeError as error:
            problem = "\n".join(filter(None, (error.message, error.next_step)))
        return self._decision(problem)

    def _when(self, words: str, after: float, act: Act) -> Callable[[float], None]:
        heard: list[float] = []

        def look(_: float) -> None:
            now = self.shop.clock.passed
            if not heard and any(words in said for said in self.shop.words()):
                heard.append(now)
            if len(heard) == 1 and now >= heard[0] + after:
                heard.append(now)
                act(self)

        return look

    def _decision(self, problem: str) -> Decision:
        runs = runs_of(self.shop.cluster, RELEASE)
        if not runs:
            return Decision("blocked", 0.0, problem)
        records = runs[max(runs)]
        done = fold(records).done
        gates = [each for each in records if each.step.startswith(("shift ", "return "))]
        began = next((each.at for each in gates if each.kind is Kind.INTENT), records[-1].at)
        decided = [each.at for each in gates if each.kind is Kind.DONE and each.step.startswith("shift ")]
        seconds = (decided[-1] - began).total_seconds() if decided else 0.0
        failed = any(outcome.get("verdict") == Verdict.FAIL.value for outcome in done.values())
        undecided = "no decision at" in problem
        word = "promoted" if not problem else "inconclusive" if undecided else "stopped" if failed else "aborted"
        reached = done.get("rollback", {}).get("verdict") == Verdict.PASS.value
        return Decision(word, seconds, problem, committed=reached)


class Decision(NamedTuple):
    """word: promoted, stopped, inconclusive, aborted (by a person) or blocked (before anything was touched).

    seconds: of the clock of the simulation, from the first share to the decision about the last. said: what the person
    is told. committed: the target got all users and the release was rolled back.
    """

    word: str
    seconds: float
    said: str
    committed: bool = False
