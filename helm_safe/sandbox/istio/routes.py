"""The objects with which Istio splits the users of one Service among subsets of its pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from helm_safe.core.objects import Object
from helm_safe.sandbox.istio.objects import GATEWAY
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE


def destination_rule(service: str, subsets: Mapping[str, Mapping[str, str]]) -> Object:
    """Subset -> the labels that tell its pods."""
    told = [{"name": name, "labels": dict(labels)} for name, labels in subsets.items()]
    return _object("DestinationRule", service, {"host": service, "subsets": told})


def virtual_service(service: str, host: str, weights: Mapping[str, int]) -> Object:
    """Users of the sandbox's gateway who ask for that host; subset -> its weight."""
    route = [
        {"destination": {"host": service, "subset": name, "port": {"number": 80}}, "weight": weight}
        for name, weight in weights.items()
    ]
    gateways = [f"{GATEWAY_NAMESPACE}/{GATEWAY}"]
    return _object("VirtualService", service, {"hosts": [host], "gateways": gateways, "http": [{"route": route}]})


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
