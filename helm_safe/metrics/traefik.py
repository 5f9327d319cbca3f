"""Traefik's own metrics endpoint, read from each of its pods through the API server: nobody needs a Prometheus.

Each pod is asked for itself: the proxy of a Service answers from any pod, so counters would jump between processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, mapping, name_of, namespace_of, sequence
from helm_safe.metrics.exposition import Point, points
from helm_safe.metrics.names import DURATIONS, REQUESTS, sample_of
from helm_safe.model.errors import ClusterError, Forbidden
from helm_safe.model.resources import PODS
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.ports import Clock, Cluster

LABELS = "app.kubernetes.io/name=traefik"
MAX_BODY = 16 * 1024 * 1024
MAX_PODS = 20
_ENTRY = "traefik_entrypoint_requests_total"
_SIGN = "traefik_config_reloads_total"
_OWN_ENTRIES = ("metrics", "traefik", "ping")
_ENOUGH = 20  # answers: a few may be probes of whoever watches the gateway
_PORT_NAMES = ("metrics", "traefik")


class Endpoint(NamedTuple):
    """Where one process of the gateway publishes its metrics."""

    namespace: str
    pod: str
    port: int
    path: str


class TraefikMetrics:
    """helm_safe.ports.MetricProvider.

    namespace: where Traefik runs, "" to look everywhere. labels: which pods are Traefik. port, path: where they
    publish, 0 and "" for what the pod declares (a port named metrics or traefik, or the prometheus.io annotations).
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        *,
        namespace: str = "",
        labels: str = LABELS,
        port: int = 0,
        path: str = "",
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._labels = labels
        self._port = port
        self._path = path
        self._first: float | None = None

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], cluster: Cluster, clock: Clock, _env: Mapping[str, str]
    ) -> TraefikMetrics:
        """From the options `metrics.*` of the policy."""
        return cls(
            cluster,
            clock,
            namespace=options["traefik.namespace"],
            labels=options["traefik.labels"],
            port=options["traefik.port"],
            path=options["traefik.path"],
        )

    def sample(self, backends: Sequence[Backend]) -> Mapping[Backend, Sample]:
        found: list[tuple[str, Point]] = []
        sources, failures = set(), []
        for endpoint in self._endpoints():
            try:
                scraped = list(self._scrape(endpoint))
            except (ClusterError, NoData) as error:
                failures.append(f"{endpoint.pod}: {error.message}")
                continue
            sources.add(endpoint.pod)
            found.extend((endpoint.pod, point) for point in scraped)
        if not sources:
            raise NoData(f"no pod of Traefik tells its metrics ({'; '.join(failures[:3])})", _ADVICE)
        at = self._clock.monotonic()
        self._see_that_services_are_counted(found)
        return {backend: sample_of(found, backend, frozenset(sources), at) for backend in backends}

    def _endpoints(self) -> list[Endpoint]:
        try:
            pods = self._cluster.list(PODS, self._namespace, labels=self._labels).items
        except Forbidden as refused:
            raise NoData(
                f"the pods of Traefik may not be listed: {refused.message}",
                "Name their namespace in the policy (metrics.traefik.namespace), or give a Prometheus with --metrics.",
            ) from None
        found = [each for each in (self._endpoint(pod) for pod in pods) if each]
        if not found or len(found) > MAX_PODS:
            what = "no running pod of Traefik publishes metrics" if not found else f"Traefik has {len(found)} pods"
            raise NoData(f"{what} ({self._labels} in {self._namespace or 'all namespaces'})", _ADVICE)
        return found

    def _endpoint(self, pod: Object) -> Endpoint | None:
        port = self._port or _declared_port(pod)
        if not port or dig(pod, "status", "phase") != "Running" or dig(pod, "metadata", "deletionTimestamp"):
            return None
        path = self._path or str(_annotation(pod, "path") or "/metrics")
        return Endpoint(namespace_of(pod), name_of(pod), port, path)

    def _scrape(self, endpoint: Endpoint) -> Iterator[Point]:
        answer = self._cluster.proxied(endpoint.namespace, endpoint.pod, endpoint.port, endpoint.path, limit=MAX_BODY)
        if answer.status != 200:
            said = answer.body[:200].decode("utf-8", "replace") if answer.status == 0 else f"status {answer.status}"
            raise NoData(f"no metrics on port {endpoint.port} ({said})")
        if len(answer.body) >= MAX_BODY:
            raise NoData(f"more than {MAX_BODY >> 20} MiB of metrics")
        text = answer.body.decode("utf-8", "replace")
        if _SIGN not in text:
            raise NoData(f"port {endpoint.port} publishes metrics, but none of Traefik's")
        return points(text, (REQUESTS, DURATIONS, _ENTRY))

    def _see_that_services_are_counted(self, found: list[tuple[str, Point]]) -> None:
        """Raise NoData where requests come in and no Service has a counter: Traefik was told not to count them.

        Only what came since the first look counts: counters of a Service go with its routes, those of entry points
        stay. Entry points of Traefik's own say nothing: each look of ours is answered with 200 there.
        """
        came = sum(
            point.value
            for _, point in found
            if point.name == _ENTRY
            and point.labels.get("code") == "200"
            and point.labels.get("entrypoint") not in _OWN_ENTRIES
        )
        self._first = came if self._first is None else min(self._first, came)
        if came - self._first >= _ENOUGH and not any(point.name == REQUESTS for _, point in found):
            raise NoData(
                "Traefik counts requests, but not by Service",
                "Start Traefik with --metrics.prometheus.addServicesLabels=true.",
            )


_ADVICE = "Start Traefik with --metrics.prometheus=true, or give the URL of a Prometheus with --metrics."


def _declared_port(pod: Object) -> int:
    told = str(_annotation(pod, "port") or "")
    if told.isascii() and told.isdigit() and len(told) < 6:
        return int(told)
    ports = {
        mapping(port).get("name"): mapping(port).get("containerPort")
        for container in sequence(pod, "spec", "containers")
        for port in sequence(container, "ports")
    }
    numbers = [number for name in _PORT_NAMES if isinstance(number := ports.get(name), int)]
    return numbers[0] if numbers else 0


def _annotation(pod: Object, name: str) -> object:
    return mapping(pod, "metadata", "annotations").get(f"prometheus.io/{name}")
