"""Traefik 3: one counter per Service of a Gateway API route, an IngressRoute, a TraefikService or an Ingress."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from helm_safe.core.objects import Object, annotations_of, dig, name_of, sequence
from helm_safe.metrics.dialect import GRPC_ERRORS, Dialect, Door, Labels, Matchers, Proxies, Sign
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

_INGRESS = ("networking.k8s.io", "Ingress")
_INGRESS_ROUTE = ("traefik.io", "IngressRoute")
_CANARY = "nginx.ingress.kubernetes.io/canary"
_PORT = "[a-z0-9]{1,15}"
"""A number or a name without a hyphen: a Service without numbers is not passed, a wrong one may be."""
_OWN_ENTRIES = ("metrics", "traefik", "ping")


def _telling(backend: Backend, places: Places) -> Sequence[Matchers]:
    """Seen in Traefik 3.7; none changes with the weights.

    Gateway API: httproute-<namespace>-<route>-gw-<namespace>-<gateway>-ep-<entry point>-<rule>-<20 hex
    digits>-svc-<namespace>-<Service>-<position>. Others: <namespace>-<Service>-<port>, but for the two below.
    """
    namespace, name = backend
    gateway = rf"(http|grpc)route-.+-[0-9a-f]{{20}}-svc-{namespace}-{name}-[0-9]+@kubernetesgateway"
    plain = rf"{namespace}-{name}-{_PORT}@kubernetes(crd)?"
    named = "|".join([*_alone(backend, places), *_annotated(backend, places)])
    return ({"service": gateway}, {"service": plain}, *([{"service": named}] if named else []))


def _alone(backend: Backend, places: Places) -> Iterator[str]:
    """The only Service of an IngressRoute's rule is counted under the rule: its name and a hash of its match."""
    namespace = backend.namespace
    for route in places.objects(_INGRESS_ROUTE, backend):
        for rule in sequence(route, "spec", "routes"):
            services = sequence(rule, "services")
            if len(services) == 1 and _is_service(services[0], backend):
                digest = hashlib.sha256(str(dig(rule, "match") or "").encode()).hexdigest()[:20]
                yield f"{_normal(f'{namespace}-{name_of(route)}')}-{digest}@kubernetescrd"


def _is_service(entry: Object, backend: Backend) -> bool:
    kind, namespace = entry.get("kind") or "Service", entry.get("namespace") or backend.namespace
    return (kind, namespace, entry.get("name")) == ("Service", *backend)


def _annotated(backend: Backend, places: Places) -> Iterator[str]:
    """As ingress-nginx does: <namespace>-<Ingress>-<Service>-<port>; a canary Ingress is counted under the main one's
    Service, with `-canary` behind it.
    """
    namespace, name = backend
    ingresses = places.objects(_INGRESS, backend)
    mains = [each for each in ingresses if not _is_canary(each)]
    spots = {spot for each in ingresses if _is_canary(each) for spot, service in _spots(each) if service == name}
    for ingress in mains:
        own = _normal(f"{namespace}-{name_of(ingress)}")
        for spot, service in _spots(ingress):
            if service == name:
                yield f"{own}-{service}-{_PORT}@kubernetesingressnginx"
            if spot in spots:
                yield f"{own}-{service}-{_PORT}-canary@kubernetesingressnginx"


def _spots(ingress: Object) -> Iterator[tuple[tuple[str, str], str]]:
    """((host, path), Service) of each path."""
    for rule in sequence(ingress, "spec", "rules"):
        for path in sequence(rule, "http", "paths"):
            yield (
                (str(rule.get("host") or ""), str(path.get("path") or "/")),
                str(dig(path, "backend", "service", "name")),
            )


def _is_canary(ingress: Object) -> bool:
    return annotations_of(ingress).get(_CANARY) == "true"


def _normal(name: str) -> str:
    """As Traefik writes names: everything but letters and digits is a hyphen."""
    return "-".join(filter(None, re.split(r"[^a-zA-Z0-9]+", name)))


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
