"""Where a pod answers HTTP, and what stands in front of it in its own network. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from helm_safe.core.annotations import PREFIX
from helm_safe.core.objects import Object, dig, mapping, name_of, sequence
from helm_safe.core.probes import READINESS, STARTUP
from helm_safe.core.workloads import containers, init_containers

PATH_ANNOTATION = PREFIX + "warmup-path"
SIDECARS = ("istio-proxy", "linkerd-proxy")
ISTIO_PROBES = "ISTIO_KUBE_APP_PROBERS"
"""The variable in which Istio keeps the probes that the chart wrote."""


class Target(NamedTuple):
    """Where a pod answers HTTP; `host` is its name as the proxy wants it."""

    host: str
    port: int
    path: str


def target_of(pod: Object, path: str = "") -> Target | None:
    """From the path asked for, else the pod's annotation, else its readiness or startup probe; None where none says.

    The port is that of the probe, else the first one that a container of the application declares.
    """
    probed = next(_probes(pod), None)
    wanted = path or str(mapping(pod, "metadata", "annotations").get(PATH_ANNOTATION) or "")
    if probed is None:
        ports = (dig(each, "ports", 0, "containerPort") for each in _applications(pod) if each.get("ports"))
        port = next(ports, None)
        return Target(name_of(pod), port, wanted) if wanted and isinstance(port, int) else None
    container, get = probed
    secure = "https:" if str(get.get("scheme", "")).upper() == "HTTPS" else ""
    number = _number(container, get.get("port"))
    asked = wanted or str(get.get("path") or "/")
    return Target(secure + name_of(pod), number, asked if asked.startswith("/") else f"/{asked}") if number else None


def sidecar_of(pod: Object) -> str:
    """The mesh's proxy that guards the pod's ports, "" where there is none."""
    return next((name for each in _containers(pod) if (name := str(each.get("name"))) in SIDECARS), "")


def _containers(pod: Object) -> list[Object]:
    """All of them: newer meshes run their proxy as a restartable init container."""
    return [*containers(pod), *init_containers(pod)]


def _applications(pod: Object) -> list[Object]:
    return [each for each in containers(pod) if each.get("name") not in SIDECARS]


def _probes(pod: Object) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(container, httpGet) of readiness, then startup probes, as the chart wrote them."""
    originals = _istio_originals(pod)
    for kind in (READINESS, STARTUP):
        for container in _applications(pod):
            get = mapping(container, kind, "httpGet")
            if get:
                yield container, originals.get(str(get.get("path")), get)


def _istio_originals(pod: Object) -> dict[str, dict[str, Any]]:
    """What the chart wrote, where Istio points probes at its own agent: path there -> httpGet."""
    variables = [mapping(each) for container in _containers(pod) for each in sequence(container, "env")]
    text = next((each.get("value") for each in variables if each.get("name") == ISTIO_PROBES), None)
    try:
        found = json.loads(str(text or "{}"))
    except (ValueError, RecursionError):
        return {}
    return {path: get for path in mapping(found) if (get := mapping(found, path, "httpGet"))}


def _number(container: Mapping[str, Any], port: Any) -> int | None:
    """A probe's port as a number; the proxy does not know the names of ports."""
    if isinstance(port, int) or (isinstance(port, str) and port.isascii() and port.isdigit()):
        return int(port)
    named = (mapping(each) for each in sequence(container, "ports"))
    found = next((each.get("containerPort") for each in named if each.get("name") == port), None)
    return found if isinstance(found, int) else None
