"""The metrics endpoints of a gateway or mesh, read from each pod through the API server: nobody needs a Prometheus.

Each pod is asked for itself: the proxy of a Service answers from any pod, so counters would jump between processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, mapping, name_of, namespace_of, sequence
from helm_safe.core.workloads import containers, init_containers
from helm_safe.metrics.absence import Absent
from helm_safe.metrics.choice import Choice
from helm_safe.metrics.dialect import Dialect
from helm_safe.metrics.exposition import Point, points
from helm_safe.metrics.http import MAX_BODY
from helm_safe.metrics.places import Memory, Places
from helm_safe.model.asking import PodRequest
from helm_safe.model.errors import ClusterError, Forbidden
from helm_safe.model.resources import PODS
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.ports import Clock, Cluster

MAX_PODS = 20
KEPT = 10.0
"""Seconds for which the list of a gateway's pods is good, unless one of them does not answer: most looks at metrics are
one call less, and a new pod of the gateway is seen a little later.
"""
_ADVICE = "Name them in the policy (metrics.gateway, metrics.scrape.*), or give a Prometheus with --metrics."


class Where(NamedTuple):
    """What the policy says about the pods to read (metrics.scrape.*); "" and 0 for what each dialect takes for granted.

    namespace: where they run. labels: their selector.
    """

    namespace: str = ""
    labels: str = ""
    port: int = 0
    path: str = ""


ANYWHERE = Where()


class Endpoint(NamedTuple):
    """Where one process publishes its metrics."""

    namespace: str
    pod: str
    port: int
    path: str


class Scraped(NamedTuple):
    """What the pods told: (pod, point) pairs, and the pods that answered."""

    points: list[tuple[str, Point]]
    sources: frozenset[str]


class ScrapeMetrics:
    """helm_safe.ports.MetricProvider. gateway: the name of a dialect, or "auto"."""

    def __init__(self, cluster: Cluster, clock: Clock, *, gateway: str = "auto", where: Where = ANYWHERE) -> None:
        self._cluster = cluster
        self._clock = clock
        self._where = where
        self._choice = Choice(gateway)
        self._memory = Memory()
        self._kept: dict[str, tuple[float, list[Object]]] = {}

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], cluster: Cluster, clock: Clock, _env: Mapping[str, str]
    ) -> ScrapeMetrics:
        """From the options `metrics.*` of the policy. Raises UsageError for a gateway that nobody knows."""
        where = Where(*(options[f"scrape.{name}"] for name in Where._fields))
        return cls(cluster, clock, gateway=options["gateway"], where=where)

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:  # noqa: ARG002 - no past
        places = Places(self._cluster, self._memory, self._clock.monotonic())
        dialect = self._choice.made(lambda each: self._counts(each, backends, places), self._nowhere)
        found = self._scrape(dialect, backends, places)
        told = dialect.matchers(backends, places)
        self._choice.see_that_services_are_counted(found.points)
        at = self._clock.monotonic()
        return {backend: dialect.sample(found.points, told[backend], found.sources, at) for backend in backends}

    def _counts(self, dialect: Dialect, backends: Sequence[Backend], places: Places) -> bool:
        """Whether it counts one of the Services. Raises Absent where it is not there at all."""
        found = self._scrape(dialect, backends, places)
        told = dialect.matchers(backends, places)
        return any(dialect.sample(found.points, told[each], found.sources, 0.0).requests for each in backends)

    def _nowhere(self, tried: Sequence[tuple[Dialect, Absent]]) -> Absent:
        forbidden = next((error for _, error in tried if "may not be listed" in error.message), None)
        if forbidden:
            return forbidden
        names = ", ".join(dialect.title for dialect, _ in tried)
        return Absent(f"no running pod publishes metrics of a gateway or mesh that is known ({names})", _ADVICE)

    def _scrape(self, dialect: Dialect, backends: Sequence[Backend], places: Places) -> Scraped:
        found: list[tuple[str, Point]] = []
        sources, failures = set(), []
        for endpoint in self._endpoints(dialect, backends, places):
            try:
                scraped = list(self._read(endpoint, dialect))
            except (ClusterError, NoData) as error:
                failures.append(f"{endpoint.pod}: {error.message}")
                self._kept.clear()
                continue
            sources.add(endpoint.pod)
            found.extend((endpoint.pod, point) for point in scraped)
        if not sources:
            told = "; ".join(failures[:3])
            raise Absent(f"no pod of {dialect.title} tells its metrics ({told})", f"{dialect.remedy}. {_ADVICE}")
        return Scraped(found, frozenset(sources))

    def _endpoints(self, dialect: Dialect, backends: Sequence[Backend], places: Places) -> list[Endpoint]:
        pods = self._beside(backends, places) if self._sidecars(dialect) else self._gateway_pods(dialect)
        found = [each for pod in pods if (each := self._endpoint(pod, dialect))]
        if not found or len(found) > MAX_PODS:
            what = f"more than {MAX_PODS} pods" if found else "no running pod"
            where = self._where.labels or " or ".join(dialect.proxies.labels) or "behind the Services"
            raise Absent(
                f"{what} of {dialect.title} publish{'' if found else 'es'} metrics"
                f" ({where} in {self._where.namespace or 'all namespaces'})",
                _ADVICE,
            )
        return found

    def _sidecars(self, dialect: Dialect) -> bool:
        return dialect.proxies.beside and not self._where.labels

    def _beside(self, backends: Sequence[Backend], places: Places) -> list[Object]:
        """The pods behind the Services."""
        wanted = {(backend.namespace, name) for backend in backends for name in places.pods(backend)}
        return [
            pod
            for namespace in sorted({namespace for namespace, _ in wanted})
            for pod in self._listed(namespace, "")
            if (namespace, name_of(pod)) in wanted
        ]

    def _gateway_pods(self, dialect: Dialect) -> list[Object]:
        since, pods = self._kept.get(dialect.title, (-inf, []))
        now = self._clock.monotonic()
        if not pods or now - since >= KEPT:
            selectors = (self._where.labels,) if self._where.labels else dialect.proxies.labels
            found = (self._listed(self._where.namespace, labels) for labels in selectors)
            pods = next((pods for pods in found if pods), [])
            self._kept[dialect.title] = (now, pods)
        return pods

    def _listed(self, namespace: str, labels: str) -> list[Object]:
        try:
            return self._cluster.list(PODS, namespace, labels=labels).items
        except Forbidden as refused:
            raise Absent(
                f"the pods of the gateway may not be listed: {refused.message}",
                "Name their namespace in the policy (metrics.scrape.namespace), or give a Prometheus with --metrics.",
            ) from None

    def _endpoint(self, pod: Object, dialect: Dialect) -> Endpoint | None:
        proxies, annotated = dialect.proxies, not self._sidecars(dialect)
        port = self._where.port or _declared_port(pod, proxies.names, annotated=annotated)
        if not port and not proxies.beside:
            port = proxies.port
        if not port or dig(pod, "status", "phase") != "Running" or dig(pod, "metadata", "deletionTimestamp"):
            return None
        told = str(_annotation(pod, "path") or "") if annotated else ""
        return Endpoint(namespace_of(pod), name_of(pod), port, self._where.path or told or proxies.path)

    def _read(self, endpoint: Endpoint, dialect: Dialect) -> Iterator[Point]:
        request = PodRequest(endpoint.path, limit=MAX_BODY)
        answer = self._cluster.proxied(endpoint.namespace, endpoint.pod, endpoint.port, request)
        if answer.status != 200:
            said = answer.body[:200].decode("utf-8", "replace") if answer.status == 0 else f"status {answer.status}"
            raise NoData(f"no metrics on port {endpoint.port} ({said})")
        if len(answer.body) >= MAX_BODY:
            raise NoData(f"more than {MAX_BODY >> 20} MiB of metrics")
        text = answer.body.decode("utf-8", "replace")
        if dialect.sign.metric not in text:
            raise NoData(f"port {endpoint.port} publishes metrics, but none of {dialect.title}")
        own = {"namespace": endpoint.namespace, "pod": endpoint.pod}
        return (
            point._replace(labels={**own, **point.labels})  # as a Prometheus would label them
            for point in points(text, dialect.counters)
        )


def _declared_port(pod: Object, names: Sequence[str], *, annotated: bool) -> int:
    """The port that the pod says; a sidecar's is not what annotations tell, which are the application's."""
    told = str(_annotation(pod, "port") or "") if annotated else ""
    if told.isascii() and told.isdigit() and len(told) < 6:
        return int(told)
    ports = {
        mapping(port).get("name"): mapping(port).get("containerPort")
        for container in (*containers(pod), *init_containers(pod))
        for port in sequence(container, "ports")
    }
    numbers = [number for name in names if isinstance(number := ports.get(name), int)]
    return numbers[0] if numbers else 0


def _annotation(pod: Object, name: str) -> object:
    return mapping(pod, "metadata", "annotations").get(f"prometheus.io/{name}")
