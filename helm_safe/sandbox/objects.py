"""The objects that every sandbox with a data plane holds: the gateway, its metrics, and those of the pods."""

from __future__ import annotations

import json
from typing import Any

from helm_safe.sandbox.components import METRICS_PORT, RESOURCE_METRICS_PORT, TRAEFIK_CLASS
from helm_safe.sandbox.network import METRICS_IP, NODE_IP
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE, Spec

GATEWAY = "sandbox"
GATEWAY_CLASS = "traefik"
TRAEFIK_KINDS = (
    *("IngressRoute", "IngressRouteTCP", "IngressRouteUDP", "Middleware", "MiddlewareTCP", "ServersTransport"),
    *("ServersTransportTCP", "TLSOption", "TLSStore", "TraefikService"),
)
METRICS = "traefik-metrics"
RESOURCE_METRICS = "metrics-server"
API_SERVICE = "v1beta1.metrics.k8s.io"


def gateway(spec: Spec) -> str:
    """A JSON List: GatewayClass, Gateway open to all namespaces, IngressClass, and the metrics as a Service."""
    items: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAY_NAMESPACE}},
        _named("gateway.networking.k8s.io/v1", "GatewayClass", GATEWAY_CLASS, "")
        | {"spec": {"controllerName": "traefik.io/gateway-controller"}},
        _named("networking.k8s.io/v1", "IngressClass", "nginx", "") | {"spec": {"controller": "k8s.io/ingress-nginx"}},
        _named("networking.k8s.io/v1", "IngressClass", TRAEFIK_CLASS, "")
        | {"spec": {"controller": "traefik.io/ingress-controller"}},
        _named("gateway.networking.k8s.io/v1", "Gateway", GATEWAY) | {"spec": _gateway_spec(spec)},
        _named("v1", "Service", METRICS)
        | {"spec": {"ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": METRICS_PORT}]}},
        _metrics_endpoints(),
        _metrics_pod(),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def traefik_definitions() -> str:
    """A JSON List of the kinds that Traefik reads, without their schemas: it waits for all of them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [_definition(kind) for kind in TRAEFIK_KINDS]})


def _definition(kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": "traefik.io",
        "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
        "scope": "Namespaced",
        "versions": [version],
    }
    return _named("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.traefik.io", "") | {"spec": spec}


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


def _metrics_pod() -> dict[str, Any]:
    """The gateway as a pod that no scheduler binds and no agent plays: Traefik itself runs at its address."""
    pod = _named("v1", "Pod", METRICS)
    pod["metadata"]["labels"] = {"app.kubernetes.io/name": "traefik"}
    ports = [{"name": "metrics", "containerPort": METRICS_PORT}]
    container = {"name": "traefik", "image": "traefik", "ports": ports}
    return pod | {"spec": {"schedulerName": "sandbox", "containers": [container]}}


def pod_status(ip: str) -> dict[str, Any]:
    """What makes the API server's proxies lead to the pod of a gateway at that address."""
    conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
    return {"status": status}


def _metrics_endpoints() -> dict[str, Any]:
    """Made by hand, since controllers find none among unbound pods; the proxy of a Service asks for the targetRef."""
    target = {"kind": "Pod", "namespace": GATEWAY_NAMESPACE, "name": METRICS}
    ports = [{"name": "metrics", "port": METRICS_PORT, "protocol": "TCP"}]
    subset = {"addresses": [{"ip": METRICS_IP, "targetRef": target}], "ports": ports}
    return _named("v1", "Endpoints", METRICS) | {"subsets": [subset]}


def resource_metrics() -> str:
    """A JSON List that makes the API server ask the agent for metrics.k8s.io: the agent is no pod, so no selector."""
    place = {"name": RESOURCE_METRICS, "namespace": "kube-system"}
    slice_labels = {"kubernetes.io/service-name": RESOURCE_METRICS, "endpointslice.kubernetes.io/managed-by": "sandbox"}
    items: list[dict[str, Any]] = [
        _named("v1", "Service", **place) | {"spec": {"ports": [{"name": "https", "port": 443}]}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": place | {"labels": slice_labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": RESOURCE_METRICS_PORT, "protocol": "TCP"}],
        },
        _named("apiregistration.k8s.io/v1", "APIService", API_SERVICE, "")
        | {
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "service": place,
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            }
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
