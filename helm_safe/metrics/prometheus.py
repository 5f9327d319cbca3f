"""Traefik's counters out of a Prometheus, or of anything that speaks its API, by instant queries.

Counters are asked for as they are, not as rates: the window is then exactly the step's, whatever the range of a rate
would have blurred, and several processes of the gateway stay apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from helm_safe.core.objects import mapping, sequence
from helm_safe.core.printable import printable
from helm_safe.metrics.exposition import Point
from helm_safe.metrics.names import DURATIONS, REQUESTS, SERVICE_LABELS, sample_of, service_pattern
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import Backend, NoData, Sample
from helm_safe.ports import Clock, Cluster

MAX_BODY = 16 * 1024 * 1024
TIMEOUT = urllib3.Timeout(connect=5, read=15)
TOKEN, USER, PASSWORD = "HELM_SAFE_METRICS_TOKEN", "HELM_SAFE_METRICS_USER", "HELM_SAFE_METRICS_PASSWORD"
_SOURCES = ("instance", "pod", "kubernetes_pod_name", "replica")


class PrometheusMetrics:
    """helm_safe.ports.MetricProvider.

    url: where the API is, e.g. https://prometheus.example or https://mimir.example/prometheus. env: holds the token, or
    user and password (HELM_SAFE_METRICS_TOKEN, _USER, _PASSWORD). Raises UsageError for a URL that cannot be used.
    """

    def __init__(self, url: str, clock: Clock, env: Mapping[str, str]) -> None:
        self._url = _checked(url).rstrip("/")
        self._clock = clock
        self._headers = {"Accept": "application/json", **_authorization(env)}
        self._pool = urllib3.PoolManager(num_pools=1, retries=False)

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, env: Mapping[str, str]
    ) -> PrometheusMetrics:
        """From the options `metrics.*` of the policy."""
        return cls(options["url"], clock, env)

    def sample(self, backends: Sequence[Backend]) -> Mapping[Backend, Sample]:
        found: list[tuple[str, Point]] = []
        for backend in backends:
            for name in (REQUESTS, DURATIONS):
                found += [(_source(point), point) for point in self._query(query_for(name, backend))]
        sources = frozenset(_source(point) for point in self._query(f"count by ({', '.join(_SOURCES)}) ({_ALIVE})"))
        if not sources:
            raise NoData(
                f"the Prometheus at {self._host()} has no metrics of Traefik",
                "See that it scrapes Traefik, or leave --metrics away: Traefik is then asked itself.",
            )
        at = self._clock.monotonic()
        return {backend: sample_of(found, backend, sources, at) for backend in backends}

    def _query(self, query: str) -> Iterator[Point]:
        """The points of an instant query. Raises NoData."""
        try:
            response = self._pool.request(
                "POST",
                f"{self._url}/api/v1/query",
                fields={"query": query},
                encode_multipart=False,
                headers=self._headers,
                timeout=TIMEOUT,
                redirect=False,
                preload_content=False,
            )
            body = response.read(MAX_BODY + 1, decode_content=True)
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise NoData(f"the Prometheus at {self._host()} does not answer ({type(error).__name__})") from None
        if len(body) > MAX_BODY:
            raise NoData(f"the Prometheus at {self._host()} answers with more than {MAX_BODY >> 20} MiB")
        return _points(self._data(response.status, body))

    def _data(self, status: int, body: bytes) -> Mapping[str, Any]:
        try:
            said = mapping(json.loads(body))
        except (ValueError, RecursionError):
            said = {}
        if status == 200 and said.get("status") == "success":
            return mapping(said, "data")
        if status in (401, 403):
            why = f"refuses the credentials ({status}); they are taken from {TOKEN}, or {USER} and {PASSWORD}"
        elif 300 <= status < 400:
            why = f"redirects ({status}), which is not followed: give the address that it redirects to"
        elif said.get("error"):
            why = f"cannot answer ({status}): {printable(str(said['error']))[:300]}"
        else:
            why = f"answers with something else than the Prometheus API ({status})"
        raise NoData(f"the Prometheus at {self._host()} {why}")

    def _host(self) -> str:
        return printable(urlsplit(self._url).netloc)


_ALIVE = "traefik_config_reloads_total"


def query_for(name: str, backend: Backend) -> str:
    """PromQL for one counter of one backend, whichever of its labels names the Service."""
    pattern = json.dumps(service_pattern(backend))
    return " or ".join(f"{name}{{{label}=~{pattern}}}" for label in SERVICE_LABELS)


def _source(point: Point) -> str:
    return "/".join(point.labels.get(label, "") for label in _SOURCES)


def _points(data: Mapping[str, Any]) -> Iterator[Point]:
    if data.get("resultType") != "vector":
        raise NoData("the Prometheus answers a query with something else than a vector")
    return _read(sequence(data, "result"))


def _read(rows: Sequence[Any]) -> Iterator[Point]:
    for row in rows:
        labels = {str(name): str(value) for name, value in mapping(row, "metric").items()}
        pair = sequence(row, "value")
        try:
            value = float(pair[1])
        except (IndexError, TypeError, ValueError):
            continue
        if math.isfinite(value) and value >= 0:
            yield Point(labels.pop("__name__", ""), labels, value)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        raise UsageError("--metrics is not the address of a Prometheus", "Write http://HOST:PORT or https://HOST/PATH.")
    if "@" in parts.netloc:
        raise UsageError(
            "--metrics holds a password, which others on this machine can read", f"Set {USER} and {PASSWORD} instead."
        )
    if parts.query or parts.fragment:
        raise UsageError("--metrics has a query; the address of the API ends before it", "Leave out what follows '?'.")
    return url


def _authorization(env: Mapping[str, str]) -> dict[str, str]:
    token, user = env.get(TOKEN, ""), env.get(USER, "")
    secret = token + user + env.get(PASSWORD, "")
    if not secret.isprintable() or not secret.isascii():
        raise UsageError(f"{TOKEN}, {USER} or {PASSWORD} holds characters that no HTTP header may", "Set it anew.")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        return dict(urllib3.make_headers(basic_auth=f"{user}:{env.get(PASSWORD, '')}"))
    return {}
