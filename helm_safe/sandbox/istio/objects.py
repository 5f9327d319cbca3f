"""The objects that come with Istio: its namespace, the Gateway open to all namespaces, and the gateway's pod."""

from __future__ import annotations

import json
from typing import Any

from helm_safe.sandbox.istio.commands import GATEWAY_LABELS, GATEWAY_POD, STATS_PORT, SYSTEM_NAMESPACE
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE, Spec

GATEWAY = "sandbox"


def gateway(spec: Spec) -> str:
    """A JSON List. A VirtualService names the Gateway as sandbox-gateway/sandbox."""
    items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}, _gateway(spec), _pod()]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _gateway(spec: Spec) -> dict[str, Any]:
    server = {
        "port": {"number": spec.ports.istio, "name": "http", "protocol": "HTTP"},
        "bind": "127.0.0.1",
        "hosts": ["*"],
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": GATEWAY_NAMESPACE},
        "spec": {"selector": {"istio": GATEWAY_LABELS["istio"]}, "servers": [server]},
    }


def _pod() -> dict[str, Any]:
    """A pod that no scheduler binds and no agent plays: Envoy itself runs at its address."""
    ports = [{"name": "http-envoy-prom", "containerPort": STATS_PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": GATEWAY_POD, "namespace": GATEWAY_NAMESPACE, "labels": GATEWAY_LABELS},
        "spec": {
            "schedulerName": "sandbox",
            "containers": [{"name": "istio-proxy", "image": "envoy", "ports": ports}],
        },
    }
