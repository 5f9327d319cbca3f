"""Contour: one Envoy cluster per port of a Service, `<namespace>_<Service>_<port>`."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.metrics.dialect import Matchers, Proxies
from helm_safe.metrics.envoy import envoy
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend


def _telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
    """No name holds an underscore, so nothing else can look like it."""
    return ({"envoy_cluster_name": rf"{backend.namespace}_{backend.name}_[-a-z0-9]+"},)


CONTOUR = envoy(
    "Contour",
    _telling,
    Proxies(
        ("app.kubernetes.io/name=contour,app.kubernetes.io/component=envoy", "app=envoy"),
        ("metrics",),
        8002,
        "/stats/prometheus",
    ),
)
