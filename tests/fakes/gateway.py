"""A gateway that sends a steady stream of users along the routes, and the counters that it keeps about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helm_safe.core.objects import Object, name_of, namespace_of, sequence
from helm_safe.model.traffic import Backend, Sample
from tests.fakes.cluster import FakeCluster
from tests.fakes.controllers import Controllers, weight_of

BUCKETS = (0.1, 0.3, 1.2, 5.0, float("inf"))
SERIES: tuple[str, ...] = ("gateway-0",)


class Gateway:
    """helm_safe.ports.MetricProvider. rate: requests per second over each rule of each route, split without chance.

    interval: seconds between the looks of whoever keeps the counters, 0 for counters read from the gateway itself.
    fewest: ready pods that users of a Service without a route ever met. stranded: requests that met a Service without a ready pod. failed: those and the ones that a pod answered badly.
    """

    def __init__(self, cluster: FakeCluster, controllers: Controllers, rate: float = 200.0) -> None:
        self.cluster = cluster
        self.controllers = controllers
        self.rate = rate
        self.requests: dict[Backend, float] = {}
        self.errors: dict[Backend, float] = {}
        self.stranded = 0.0
        self.fewest: int | None = None
        self.interval = 0.0
        self._kept: list[tuple[float, dict[Backend, float], dict[Backend, float]]] = [(0.0, {}, {})]

    @property
    def failed(self) -> float:
        return sum(self.errors.values())

    def wait(self, seconds: float) -> None:
        """Users come while time passes."""
        for key, route in list(self.cluster.objects.items()):
            if key[1] == "HTTPRoute":
                for rule in sequence(route, "spec", "rules"):
                    self._serve(route, sequence(rule, "backendRefs"), seconds * self.rate)
        for name in self.controllers.by_name:
            behind = len(self.controllers.behind(self.cluster.namespace, name))
            self.fewest = behind if self.fewest is None else min(self.fewest, behind)
            self._count(Backend(self.cluster.namespace, name), seconds * self.rate)
        if self.interval and self.controllers.passed - self._kept[-1][0] >= self.interval:
            self._kept.append((self.controllers.passed, dict(self.requests), dict(self.errors)))

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:
        at, requests, errors = self.controllers.passed, self.requests, self.errors
        if self.interval:
            at, requests, errors = next(each for each in reversed(self._kept) if each[0] <= max(at - ago, 0.0))
        return {backend: _sample(at, requests.get(backend), errors.get(backend, 0.0)) for backend in backends}

    def _serve(self, route: Object, refs: list[Object], requests: float) -> None:
        whole = sum(weight_of(ref) for ref in refs)
        for ref in refs:
            if weight_of(ref):
                self._count(Backend(namespace_of(route), name_of({"metadata": ref})), requests * weight_of(ref) / whole)

    def _count(self, backend: Backend, requests: float) -> None:
        pods = self.controllers.behind(*backend)
        bad = sum(each.errors for each in pods) / len(pods) if pods else 1.0
        self.stranded += 0 if pods else requests
        self.requests[backend] = self.requests.get(backend, 0.0) + requests
        self.errors[backend] = self.errors.get(backend, 0.0) + requests * bad


def _sample(at: float, requests: float | None, errors: float) -> Sample:
    if requests is None:
        return Sample(at, frozenset(SERIES))
    durations = {(SERIES, bound): requests - errors for bound in BUCKETS}
    return Sample(at, frozenset(SERIES), {SERIES: requests}, {SERIES: errors}, durations)
