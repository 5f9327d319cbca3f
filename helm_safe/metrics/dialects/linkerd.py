"""Linkerd: the proxy beside each pod counts what comes in; which Service was meant it does not know, its pods tell."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.metrics.dialect import Dialect, Labels, Matchers, Proxies, Sign, one_of
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

ADMIN = 4191


def _telling(backend: Backend, places: Places) -> Sequence[Matchers]:
    pods = places.pods(backend)
    if not pods:
        return ()
    return ({"direction": "inbound", "namespace": backend.namespace, "pod": one_of(pods)},)


def _failed(labels: Labels) -> bool | None:
    """`classification` knows gRPC, the durations only the status. Probes and looks at the proxy are no user's."""
    if labels.get("target_port") == str(ADMIN) or labels.get("route_name") == "probe":
        return None
    if "classification" in labels:
        return labels["classification"] == "failure"
    return labels.get("status_code", "").startswith("5")


LINKERD = Dialect(
    "Linkerd",
    sign=Sign("response_total", {"direction": "inbound"}),
    requests="response_total",
    durations="response_latency_ms_bucket",
    telling=_telling,
    failed=_failed,
    proxies=Proxies((), ("linkerd-admin",), ADMIN),
    remedy="See that the pods are meshed (linkerd check --proxy)",
    unit=0.001,
    by_pods=True,
)
