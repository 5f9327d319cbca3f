"""Users who come and fare by chance, and a monitoring system beside the gateway: what a judge has to see through.

Everything is drawn from one seed, so a run that goes wrong can be seen again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import NormalDist
from typing import NamedTuple

from helm_safe.core.objects import Object, name_of, namespace_of
from helm_safe.model.traffic import Backend, NoData, Reading, Sample
from tests.fakes.cluster import FakeCluster
from tests.fakes.controllers import Behaviour, Controllers, weight_of
from tests.fakes.gateway import BUCKETS, SERIES, Gateway


class Profile(NamedTuple):
    """How users of one version fare.

    errors: 0..1. typical: seconds that half of the answers take at most; the others spread log-normally by `spread`.
    turns: seconds for which it is good, and then bad, by turns; 0 for always as `errors` says. cold: seconds from its
    first user on in which every answer fails.
    """

    errors: float = 0.0
    typical: float = 0.05
    spread: float = 0.6
    turns: float = 0.0
    cold: float = 0.0

    def failing(self, age: float) -> float:
        """0..1, `age` seconds after the first user."""
        if age < self.cold:
            return 1.0
        return 0.0 if self.turns and int(age / self.turns) % 2 == 0 else self.errors

    def within(self, bound: float) -> float:
        """Share of the answers that take at most so long."""
        return 1.0 if math.isinf(bound) else NormalDist().cdf(math.log(bound / self.typical) / self.spread)


class Crowd(Gateway):
    """A Gateway whose users come, choose and fare by chance. profiles: by what the pods behind a backend are.

    mute: nobody can read the counters. frozen: they are read, and stand still.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        controllers: Controllers,
        profiles: Mapping[Behaviour, Profile],
        *,
        rate: float,
        seed: int,
        buckets: Sequence[float] = BUCKETS,
    ) -> None:
        super().__init__(cluster, controllers, rate)
        self.profiles, self.buckets = profiles, tuple(buckets)
        self.chance = random.Random(seed)
        self.mute = False
        self.frozen: Mapping[Backend, Sample] | None = None
        self.durations: dict[Backend, list[int]] = {}
        self.since: dict[Backend, float] = {}

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:
        if self.mute:
            raise NoData("nobody answers")
        found = {backend: self._sample(backend) for backend in backends}
        if self.frozen is None:
            return found
        self.frozen = {**found, **self.frozen}
        at = self.controllers.passed
        return {each: replace(self.frozen[each], at=at) for each in backends}

    def restart(self) -> None:
        """The gateway's process is another one, and counts from zero."""
        for counted in (self.requests, self.errors, self.durations):
            counted.clear()

    def draw(self, tries: int, share: float) -> int:
        """How many of so many succeed."""
        spread = tries * share * (1 - share)
        if spread > 50:
            return min(max(round(self.chance.gauss(tries * share, math.sqrt(spread))), 0), tries)
        return sum(self.chance.random() < share for _ in range(tries))

    def _serve(self, route: Object, refs: list[Object], requests: float) -> None:
        whole, left = sum(weight_of(ref) for ref in refs), self._coming(requests)
        for ref in refs:
            share = weight_of(ref) / whole if whole else 0.0
            came = self.draw(left, share)
            whole, left = whole - weight_of(ref), left - came
            if came:
                self._count(Backend(namespace_of(route), name_of({"metadata": ref})), came)

    def _coming(self, expected: float) -> int:
        """Poisson, by the gaps between users where they are few."""
        if expected > 50:
            return max(0, round(self.chance.gauss(expected, math.sqrt(expected))))
        count, passed = 0, self.chance.expovariate(1.0)
        while passed < expected:
            count, passed = count + 1, passed + self.chance.expovariate(1.0)
        return count

    def _count(self, backend: Backend, requests: float) -> None:
        pods = self.controllers.behind(*backend)
        profile = self.profiles.get(pods[0], Profile()) if pods else Profile(errors=1.0)
        now = self.controllers.passed
        bad = self.draw(int(requests), profile.failing(now - self.since.setdefault(backend, now)))
        self.stranded += 0 if pods else requests
        self.requests[backend] = self.requests.get(backend, 0.0) + requests
        self.errors[backend] = self.errors.get(backend, 0.0) + bad
        counted = self.durations.setdefault(backend, [0] * len(self.buckets))
        left, below = int(requests) - bad, 0.0
        for number, bound in enumerate(self.buckets):
            up_to = profile.within(bound)
            took = self.draw(left, (up_to - below) / (1 - below)) if below < 1 else 0
            counted[number], left, below = counted[number] + took, left - took, up_to

    def _sample(self, backend: Backend) -> Sample:
        at, durations, total = self.controllers.passed, {}, 0
        if backend not in self.requests:
            return Sample(at, frozenset(SERIES))
        for bound, count in zip(self.buckets, self.durations[backend], strict=True):
            total += count
            durations[SERIES, bound] = float(total)
        requests, errors = self.requests[backend], self.errors[backend]
        return Sample(at, frozenset(SERIES), {SERIES: requests}, {SERIES: errors}, durations)


Value = Callable[[str, float], float]
"""(query, seconds since 1970) -> value; raises NoData."""


class Monitor:
    """helm_safe.ports.QueryProvider. every: seconds between readings. lag: seconds until one can be read.

    skew: how far its clock goes ahead. asked: the queries that came.
    """

    summed = False

    def __init__(self, value: Value, *, every: float = 5.0, lag: float = 0.0, skew: float = 0.0) -> None:
        self.value, self.every, self.lag, self.skew = value, every, lag, skew
        self.asked: list[str] = []

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        self.asked.append(query)
        first = math.ceil(begin.timestamp() / self.every)
        last = math.floor((end.timestamp() - self.lag) / self.every)
        found = [each * self.every for each in range(first, last + 1)]
        if not found:
            raise NoData("no readings in this time")
        return [Reading(at + self.skew, self.value(query, at)) for at in found]
