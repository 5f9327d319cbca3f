"""What is kept of the objects that a run follows: hundreds of them, for as long as it lasts. Pure."""

from __future__ import annotations

from typing import Any

from helm_safe.core.objects import Object, mapping, sequence
from helm_safe.model.targets import ISTIO_PROBES

# Nobody who watches or warms a pod reads these; they are most of it.
_POD = ("volumes", "tolerations", "affinity", "topologySpreadConstraints", "securityContext", "imagePullSecrets")
_CONTAINER = (
    "args",
    "command",
    "env",
    "envFrom",
    "imagePullPolicy",
    "lifecycle",
    "resources",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeDevices",
    "volumeMounts",
)
_STATUS = ("allocatedResources", "resources", "user", "volumeMounts")
LONG = 1024
"""Bytes of an annotation that are kept; longer ones are whole manifests."""


def pod(obj: Object) -> Object:
    """A pod without what only its kubelet needs."""
    spec = _without(mapping(obj, "spec"), _POD)
    for field in ("containers", "initContainers"):
        if field in spec:
            spec[field] = [_container(each) for each in sequence(spec, field)]
    status = dict(mapping(obj, "status"))
    for field in ("containerStatuses", "initContainerStatuses"):
        if field in status:
            status[field] = [_without(each, _STATUS) for each in sequence(status, field)]
    return {**obj, "metadata": _metadata(obj), "spec": spec, "status": status}


def workload(obj: Object) -> Object:
    """A workload without its pods' template."""
    spec = _without(mapping(obj, "spec"), ("template", "volumeClaimTemplates"))
    return {**obj, "metadata": _metadata(obj), "spec": spec}


def _container(body: dict[str, Any]) -> dict[str, Any]:
    variables = [each for each in sequence(body, "env") if each.get("name") == ISTIO_PROBES]
    return {**_without(body, _CONTAINER), **({"env": variables} if variables else {})}


def _metadata(obj: Object) -> dict[str, Any]:
    metadata = dict(mapping(obj, "metadata"))
    annotations = mapping(metadata, "annotations")
    short = {key: value for key, value in annotations.items() if len(str(value)) <= LONG}
    return {**metadata, "annotations": short} if annotations else metadata


def _without(body: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in fields}
