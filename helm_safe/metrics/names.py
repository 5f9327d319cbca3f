"""What Traefik calls its counters and its backends; the scrape and the query share it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from helm_safe.metrics.exposition import Point
from helm_safe.model.traffic import Backend, NoData, Sample, Series

REQUESTS = "traefik_service_requests_total"
DURATIONS = "traefik_service_request_duration_seconds_bucket"
SERVICE_LABELS = ("service", "exported_service")
"""A Prometheus whose own target label is `service` renames the metric's label."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def service_pattern(backend: Backend) -> str:
    """A regular expression, to be matched whole, for the label of a Service behind Gateway API routes.

    Seen in Traefik 3.7: httproute-<namespace>-<route>-gw-<namespace>-<gateway>-ep-<entry point>-<rule>-<20 hex
    digits>-svc-<namespace>-<Service>-<position>@kubernetesgateway. It does not change with the weights. Raises NoData
    for a name that no Service can have.
    """
    if not all(_NAME.fullmatch(part) for part in backend):
        raise NoData("a Service of that name cannot be found among the gateway's metrics")
    return rf"(http|grpc)route-.+-[0-9a-f]{{20}}-svc-{backend.namespace}-{backend.name}-[0-9]+@kubernetesgateway"


def sample_of(points: Iterable[tuple[str, Point]], backend: Backend, sources: frozenset[str], at: float) -> Sample:
    """The backend's Sample out of (source, point) pairs."""
    mine = re.compile(service_pattern(backend))
    requests: dict[Series, float] = {}
    errors: dict[Series, float] = {}
    durations: dict[tuple[Series, float], float] = {}
    for source, point in points:
        if not any(mine.fullmatch(point.labels.get(label, "")) for label in SERVICE_LABELS):
            continue
        failed = point.labels.get("code", "").startswith("5")
        if point.name == REQUESTS:
            requests[_series(source, point)] = point.value
            if failed:
                errors[_series(source, point)] = point.value
        elif not failed and (bound := _bound(point)) is not None:
            durations[_series(source, point), bound] = point.value
    return Sample(at, sources, requests, errors, durations)


def _series(source: str, point: Point) -> Series:
    return (source, *(f"{name}={value}" for name, value in sorted(point.labels.items()) if name != "le"))


def _bound(point: Point) -> float | None:
    try:
        bound = float(point.labels.get("le", ""))
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
