"""Envoy Gateway: one Envoy cluster per rule of a route, and only where a backendRef has filters one per backendRef.

`httproute/<namespace>/<route>/rule/<n>` counts all Services of a rule together; with filters it is split into
`.../rule/<n>/backend/<m>` (envoyproxy/gateway #6742, #7017), where the route says which Service is the m-th.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helm_safe.core.objects import Object, mapping, name_of, namespace_of, sequence
from helm_safe.metrics.absence import Indistinct
from helm_safe.metrics.dialect import Labels, Matchers, Proxies, one_of
from helm_safe.metrics.envoy import STATUS, envoy
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

_LABEL = "envoy_cluster_name"


def _telling(backend: Backend, places: Places) -> Sequence[Matchers]:
    """The clusters of the Service's places in routes, and those of whole rules, which say that nothing can be told."""
    routes = places.routes(backend.namespace)
    clusters = {name for route in routes for cluster in _clusters(route, backend) for name in cluster}
    return ({_LABEL: one_of(clusters)},) if clusters else ()


def _clusters(route: Object, backend: Backend) -> Iterator[tuple[str, str]]:
    """(of the whole rule, of the backendRef) wherever the route names the Service."""
    for number, rule in enumerate(sequence(route, "spec", "rules")):
        whole = f"httproute/{namespace_of(route)}/{name_of(route)}/rule/{number}"
        for position, ref in enumerate(sequence(rule, "backendRefs")):
            entry = mapping(ref)
            named = (entry.get("namespace", namespace_of(route)), entry.get("name"), entry.get("kind", "Service"))
            if named == (*backend, "Service"):
                yield whole, f"{whole}/backend/{position}"


def _failed(labels: Labels) -> bool:
    """Raises Indistinct for the counter of a whole rule."""
    if "/backend/" not in labels.get(_LABEL, ""):
        raise Indistinct(
            f"Envoy Gateway counts all Services of {labels.get(_LABEL)} together, so they cannot be told apart",
            "Give each backendRef of the rule a filter (a RequestHeaderModifier that sets one header will do): Envoy"
            " Gateway then counts each by itself. Or let a mesh tell: metrics.gateway.",
        )
    return STATUS(labels)


ENVOY_GATEWAY = envoy(
    "Envoy Gateway",
    _telling,
    Proxies(
        ("app.kubernetes.io/managed-by=envoy-gateway,app.kubernetes.io/component=proxy",),
        ("metrics",),
        19001,
        "/stats/prometheus",
    ),
    _failed,
)
