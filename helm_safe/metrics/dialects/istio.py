"""Istio: each proxy counts a request, so only one reporter may be asked, or every request is two.

Sidecars of the Services' own pods see all traffic of the mesh (`destination`); a waypoint stands for them in ambient
mode; a gateway counts what it sends (`source`), which is all there is where pods have no sidecar. Of a subset they know
the label `version` of its pods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from helm_safe.metrics.absence import Absent
from helm_safe.metrics.dialect import GRPC_ERRORS, Dialect, Labels, Matchers, Proxies, Sign
from helm_safe.metrics.places import Places
from helm_safe.model.routes import service_of, subset_of
from helm_safe.model.traffic import Backend

_NAMES, _PORT, _PATH = ("http-envoy-prom",), 15090, "/stats/prometheus"


def _failed(labels: Labels) -> bool:
    return labels.get("response_code", "").startswith("5") or labels.get("grpc_response_status") in GRPC_ERRORS


def _reported_by(reporter: str) -> Callable[[Backend, Places], Sequence[Matchers]]:
    def telling(backend: Backend, places: Places) -> Sequence[Matchers]:
        return (
            {
                "reporter": reporter,
                "destination_service_namespace": backend.namespace,
                "destination_service_name": service_of(backend.name),
                **_version(backend, places),
            },
        )

    return telling


def _version(backend: Backend, places: Places) -> Matchers:
    """Of the pods of a subset; a Service as a whole has all of them."""
    if not subset_of(backend.name):
        return {}
    labels = places.labels_of_subset(backend)
    if labels is None or set(labels) != {"version"}:
        raise Absent(
            f"Istio counts by the label version, and {backend.name} is not a subset by that label alone",
            "Choose a gateway that counts by subset (metrics.gateway: istio-clusters).",
        )
    return {"destination_version": re.escape(labels["version"])}


def _dialect(title: str, reporter: str, labels: tuple[str, ...] = ()) -> Dialect:
    return Dialect(
        title,
        sign=Sign("istio_build", {"component": "proxy"}),
        requests="istio_requests_total",
        durations="istio_request_duration_milliseconds_bucket",
        telling=_reported_by(reporter),
        failed=_failed,
        proxies=Proxies(labels, _NAMES, _PORT, _PATH),
        remedy="See that Istio's telemetry is not switched off for these proxies",
        unit=0.001,
        subsets=True,
    )


SIDECARS = _dialect("Istio's sidecars", "destination")
WAYPOINT = _dialect("Istio's waypoint", "waypoint", ("gateway.istio.io/managed=istio.io-mesh-controller",))
GATEWAY = _dialect(
    "Istio's gateway", "source", ("gateway.istio.io/managed=istio.io-gateway-controller", "istio=ingressgateway")
)
