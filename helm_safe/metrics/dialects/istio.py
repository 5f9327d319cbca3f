"""Istio: each proxy counts a request, so only one reporter may be asked, or every request is two.

Sidecars of the Services' own pods see all traffic of the mesh (`destination`); a waypoint stands for them in ambient
mode; a gateway counts what it sends (`source`), which is all there is where pods have no sidecar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helm_safe.metrics.dialect import GRPC_ERRORS, Dialect, Labels, Matchers, Proxies, Sign
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

_NAMES, _PORT, _PATH = ("http-envoy-prom",), 15090, "/stats/prometheus"


def _failed(labels: Labels) -> bool:
    return labels.get("response_code", "").startswith("5") or labels.get("grpc_response_status") in GRPC_ERRORS


def _reported_by(reporter: str) -> Callable[[Backend, Places], Sequence[Matchers]]:
    def telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
        return (
            {
                "reporter": reporter,
                "destination_service_namespace": backend.namespace,
                "destination_service_name": backend.name,
            },
        )

    return telling


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
    )


SIDECARS = _dialect("Istio's sidecars", "destination")
WAYPOINT = _dialect("Istio's waypoint", "waypoint", ("gateway.istio.io/managed=istio.io-mesh-controller",))
GATEWAY = _dialect(
    "Istio's gateway", "source", ("gateway.istio.io/managed=istio.io-gateway-controller", "istio=ingressgateway")
)
