"""The objects that every sandbox with a data plane holds: the gateway and its metrics."""

from __future__ import annotations

import json
from typing import Any

from helm_safe.sandbox.components import METRICS_PORT
from helm_safe.sandbox.network import METRICS_IP
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE, Spec

GATEWAY = "sandbox"
GATEWAY_CLASS = "traefik"


def gateway(spec: Spec) -> str:
    """A JSON List: GatewayClass, Gateway open to all namespaces, IngressClass, and the metrics as a Service."""
    items: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAY_NAMESPACE}},
        _named("gateway.networking.k8s.io/v1", "GatewayClass", GATEWAY_CLASS, "")
        | {"spec": {"controllerName": "traefik.io/gateway-controller"}},
        _named("networking.k8s.io/v1", "IngressClass", "nginx", "") | {"spec": {"controller": "k8s.io/ingress-nginx"}},
        _named("gateway.networking.k8s.io/v1", "Gateway", GATEWAY) | {"spec": _gateway_spec(spec)},
        _named("v1", "Service", "traefik-metrics")
        | {"spec": {"ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": METRICS_PORT}]}},
        _metrics_endpoints(),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _named(api_version: str, kind: str, name: str, namespace: str = GATEWAY_NAMESPACE) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _gateway_spec(spec: Spec) -> dict[str, Any]:
    listener = {
        "name": "web",
        "protocol": "HTTP",
        "port": spec.ports.gateway,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {"gatewayClassName": GATEWAY_CLASS, "listeners": [listener]}


def _metrics_endpoints() -> dict[str, Any]:
    endpoints = _named("discovery.k8s.io/v1", "EndpointSlice", "traefik-metrics-1")
    endpoints["metadata"]["labels"] = {"kubernetes.io/service-name": "traefik-metrics"}
    ports = [{"name": "metrics", "port": METRICS_PORT, "protocol": "TCP"}]
    ready = {"addresses": [METRICS_IP], "conditions": {"ready": True}}
    return endpoints | {"addressType": "IPv4", "ports": ports, "endpoints": [ready]}
