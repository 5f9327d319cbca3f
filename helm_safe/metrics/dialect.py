"""The form of a dialect: which counters a gateway or mesh keeps, and which of their labels tell Services apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from helm_safe.metrics.absence import Absent
from helm_safe.metrics.exposition import Point
from helm_safe.metrics.places import Places
from helm_safe.model.routes import subset_of
from helm_safe.model.traffic import Backend, NoData, Sample, Series

Labels = Mapping[str, str]
Matchers = Mapping[str, str]
"""Regular expressions by label, each to be matched whole; all must match."""
EXPORTED = ("service", "namespace", "pod")
"""Labels that a Prometheus renames to `exported_...` where its own label of the target has that name."""
GRPC_ERRORS = frozenset({"2", "4", "12", "13", "14", "15"})
"""gRPC statuses that are the server's fault (OpenTelemetry): UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
UNAVAILABLE, DATA_LOSS. They come over HTTP 200.
"""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _always(_labels: Labels) -> bool:
    return True


class Sign(NamedTuple):
    """The metric that each process publishes from its start; labels: their exact values."""

    metric: str
    labels: Labels = MappingProxyType({})


class Proxies(NamedTuple):
    """Which pods publish the counters.

    labels: selectors of the gateway's pods, the first that finds some; none for a mesh, whose proxies are beside the
    pods behind the Services. names: of the container's port. port, path: where the pod declares none.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    port: int
    path: str = "/metrics"

    @property
    def beside(self) -> bool:
        """Whether they are sidecars of the Services' own pods."""
        return not self.labels


class Door(NamedTuple):
    """A counter of all users' requests, whichever Service answered: proof that the gateway counts by Service at all.

    of_service: whether labels of the dialect's own counter are those of a Service.
    """

    metric: str
    of_user: Callable[[Labels], bool]
    remedy: str
    of_service: Callable[[Labels], bool] = _always


@dataclass(frozen=True, slots=True)
class Dialect:
    """One gateway or mesh.

    title: for people. telling: labels of one Service's counters, any of the alternatives; it may ask where the
    Service's pods are. failed: whether the labels are those of an error; None for what no user sent. unit: seconds of
    one unit of `le`. timed_errors: the durations do not say which answers were errors. by_pods: pods tell the Services
    apart. subsets: the labels tell subsets of a Service apart ("web/v1"). remedy: what to do where the sign is missing.
    """

    title: str
    sign: Sign
    requests: str
    durations: str
    telling: Callable[[Backend, Places], Sequence[Matchers]]
    failed: Callable[[Labels], bool | None]
    proxies: Proxies
    remedy: str
    unit: float = 1.0
    timed_errors: bool = False
    by_pods: bool = False
    subsets: bool = False
    door: Door | None = None

    @property
    def counters(self) -> tuple[str, ...]:
        """All metrics that are read."""
        return (self.requests, self.durations, *((self.door.metric,) if self.door else ()))

    def matchers(self, backends: Iterable[Backend], places: Places) -> dict[Backend, Sequence[Matchers]]:
        """What tells the Services' counters apart. Raises NoData, also for a name that no Service can have."""
        backends = list(backends)
        if not all(_NAME.fullmatch(part) for backend in backends for part in _parts(backend)):
            raise NoData("a Service of that name cannot be found among the gateway's metrics")
        if not self.subsets and any(subset_of(backend.name) for backend in backends):
            raise Absent(
                f"{self.title} does not tell the subsets of a Service apart",
                "Choose a gateway that does (metrics.gateway: istio-clusters).",
            )
        if self.by_pods:
            places.see_that_they_differ(backends)
        return {backend: self.telling(backend, places) for backend in backends}

    def sample(
        self, found: Iterable[tuple[str, Point]], told: Sequence[Matchers], sources: frozenset[str], at: float
    ) -> Sample:
        """One Service's Sample out of (source, point) pairs. Raises NoData where Services cannot be told apart."""
        requests: dict[Series, float] = {}
        errors: dict[Series, float] = {}
        durations: dict[tuple[Series, float], float] = {}
        compiled = [{label: re.compile(pattern) for label, pattern in each.items()} for each in told]
        for source, point in found:
            if source not in sources or not any(_matches(point.labels, each) for each in compiled):
                continue
            failed = self.failed(point.labels)
            if failed is None:
                continue
            series = _series(source, point)
            if point.name == self.requests:
                requests[series] = point.value
                if failed:
                    errors[series] = point.value
            elif point.name == self.durations and not failed and (bound := _bound(point)) is not None:
                durations[series, bound * self.unit] = point.value
        return Sample(at, sources, requests, errors, durations, self.timed_errors, self.title)


def _parts(backend: Backend) -> tuple[str, ...]:
    """Namespace and Service, and the subset where there is one."""
    return (backend.namespace, *backend.name.split("/", 1))


def labelled(labels: Labels, name: str) -> str:
    """A label of the metric's own, "" where it has none."""
    return labels.get(f"exported_{name}", labels.get(name, "")) if name in EXPORTED else labels.get(name, "")


def status_failed(label: str) -> Callable[[Labels], bool]:
    """Whether the label holds a status 5xx."""
    return lambda labels: labels.get(label, "").startswith("5")


def one_of(names: Iterable[str]) -> str:
    """A pattern of exactly these names."""
    return "|".join(re.escape(name) for name in sorted(names))


def _matches(labels: Labels, wanted: Mapping[str, re.Pattern[str]]) -> bool:
    return all(pattern.fullmatch(labelled(labels, name)) for name, pattern in wanted.items())


def _series(source: str, point: Point) -> Series:
    return (source, *(f"{name}={value}" for name, value in sorted(point.labels.items()) if name != "le"))


def _bound(point: Point) -> float | None:
    try:
        bound = float(point.labels.get("le", ""))
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
