"""Traefik 3: one counter per Service of a Gateway API route."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.metrics.dialect import GRPC_ERRORS, Dialect, Door, Labels, Matchers, Proxies, Sign
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

_OWN_ENTRIES = ("metrics", "traefik", "ping")


def _telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
    """Seen in Traefik 3.7: httproute-<namespace>-<route>-gw-<namespace>-<gateway>-ep-<entry point>-<rule>-<20 hex
    digits>-svc-<namespace>-<Service>-<position>@kubernetesgateway. It does not change with the weights.
    """
    pattern = rf"(http|grpc)route-.+-[0-9a-f]{{20}}-svc-{backend.namespace}-{backend.name}-[0-9]+@kubernetesgateway"
    return ({"service": pattern},)


def _failed(labels: Labels) -> bool:
    """With gRPC the code is the gRPC status."""
    code = labels.get("code", "")
    return code in GRPC_ERRORS if labels.get("protocol", "").startswith("grpc") else code.startswith("5")


def _of_user(labels: Labels) -> bool:
    """Entry points of Traefik's own say nothing: each look of ours is answered with 200 there."""
    return labels.get("code") == "200" and labels.get("entrypoint") not in _OWN_ENTRIES


TRAEFIK = Dialect(
    "Traefik",
    sign=Sign("traefik_config_reloads_total"),
    requests="traefik_service_requests_total",
    durations="traefik_service_request_duration_seconds_bucket",
    telling=_telling,
    failed=_failed,
    proxies=Proxies(("app.kubernetes.io/name=traefik",), ("metrics", "traefik"), 0),
    remedy="Start Traefik with --metrics.prometheus=true",
    door=Door(
        "traefik_entrypoint_requests_total", _of_user, "Start Traefik with --metrics.prometheus.addServicesLabels=true."
    ),
)
