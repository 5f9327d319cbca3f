"""Definitions of the kinds that routers write: the projects' own where a registry serves them, else written here.

What is written here follows the documented schema of the fields that a router touches, with their types and limits; all
other fields are kept as they come. README and docs/routers.md say of which kind that is.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm_safe.sandbox import toolchain
from helm_safe.sandbox.progress import quiet

OWN = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/experimental/gateway.networking.k8s.io_tcproutes.yaml",
    "istio.io/api@v1.29.0": "kubernetes/customresourcedefinitions.gen.yaml",
    "github.com/traefik/traefik/v3@v3.7.13": (
        "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
    ),
    "github.com/projectcontour/contour@v1.33.8": "examples/contour/01-crds.yaml",
}
"""Go module -> the file of definitions in it."""
KEPT = {"x-kubernetes-preserve-unknown-fields": True}
COUNT = {"type": "integer", "format": "int64", "minimum": 0}
TEXT = {"type": "string"}
NAMED = {"backendName": TEXT, "weight": COUNT}
PORT = {"x-kubernetes-int-or-string": True}


def published(module: str) -> list[dict[str, Any]]:
    """A project's own definitions, from its Go module."""
    command = [toolchain.go(quiet), "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "GOWORK": "off"})
    if done.returncode:
        if os.environ.get("HELM_SAFE_REQUIRE_CLUSTER") == "1":
            pytest.fail(f"the definitions of {module} are required here: {done.stdout}{done.stderr}")
        pytest.skip(f"the definitions of {module} could not be downloaded")
    text = (Path(json.loads(done.stdout)["Dir"]) / OWN[module]).read_text(encoding="utf-8")
    found = [each for each in yaml.safe_load_all(text) if each]
    kept = [each for each in found if each.get("kind") == "CustomResourceDefinition"]
    for each in kept:  # a policy of the Gateway API keeps its experimental kinds apart from its standard ones
        each["metadata"].setdefault("annotations", {})["gateway.networking.k8s.io/channel"] = "standard"
    return kept


def entries(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """A list of objects of which these fields are known."""
    return {"type": "array", "items": fields_of(required, **fields)}


def fields_of(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {}), **KEPT}


def definition(group: str, version: str, kind: str, plural: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": spec, "status": {"type": "object", **KEPT}},
        "required": ["spec"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _openshift() -> dict[str, Any]:
    """route.openshift.io/v1: weights 0 to 256, at most three alternates, each Service once."""
    target = {"kind": {"type": "string", "enum": ["Service", ""]}, "name": {"type": "string", "minLength": 1}}
    weight = {"type": "integer", "format": "int32", "minimum": 0, "maximum": 256}
    others = entries(("kind", "name"), **target, weight=weight)
    keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"]}
    spec = fields_of(("to",), to=fields_of(("kind", "name"), **target, weight=weight), alternateBackends=others)
    spec["properties"]["alternateBackends"] |= {"maxItems": 3, **keys}
    return definition("route.openshift.io", "v1", "Route", "routes", spec)


def _skipper() -> dict[str, Any]:
    """zalando.org/v1: weights are whole numbers."""
    backend = {"type": TEXT, "name": TEXT, "serviceName": TEXT, "servicePort": {"type": "integer"}}
    backend["type"] = {"type": "string", "enum": ["service", "shunt", "loopback", "dynamic", "lb", "network"]}
    routes = entries(backends=entries(**NAMED))
    spec = fields_of(
        ("backends", "routes", "hosts"),
        hosts={"type": "array", "items": TEXT},
        backends=entries(("type", "name"), **backend),
        defaultBackends=entries(**NAMED),
        routes=routes,
    )
    return definition("zalando.org", "v1", "RouteGroup", "routegroups", spec)


def _apisix() -> dict[str, Any]:
    """apisix.apache.org/v2."""
    backend = entries(("serviceName", "servicePort"), serviceName=TEXT, servicePort=PORT, weight={"type": "integer"})
    spec = fields_of(http=entries(("name",), name=TEXT, backends=backend))
    return definition("apisix.apache.org", "v2", "ApisixRoute", "apisixroutes", spec)


def _kuma(kind: str) -> dict[str, Any]:
    """kuma.io/v1alpha1: a weight is 1 where none is stated, and at most 2^32 - 1."""
    weight = {**COUNT, "default": 1, "maximum": 4294967295}
    refs = entries(("kind",), kind=TEXT, name=TEXT, port={"type": "integer"}, weight=weight)
    rules = entries(("default",), default=fields_of(backendRefs=refs))
    spec = fields_of(to=entries(("targetRef",), targetRef=fields_of(("kind",), kind=TEXT), rules=rules))
    return definition("kuma.io", "v1alpha1", kind, f"{kind.lower()}s", spec)


def _gloo(kind: str) -> dict[str, Any]:
    """gateway.solo.io/v1: a route has one destination, or several with weights."""
    ref = fields_of(("name",), name=TEXT, namespace=TEXT)
    destination = fields_of(kube=fields_of(("ref",), ref=ref, port={"type": "integer"}))
    several = fields_of(destinations=entries(destination=destination, weight={**COUNT, "nullable": True}))
    action = {
        **fields_of(single=destination, multi=several),
        "oneOf": [{"required": ["single"]}, {"required": ["multi"]}],
    }
    routes = entries(routeAction=action)
    spec = fields_of(routes=routes) if kind == "RouteTable" else fields_of(virtualHost=fields_of(routes=routes))
    return definition("gateway.solo.io", "v1", kind, f"{kind.lower()}s", spec)


def _smi() -> dict[str, Any]:
    """split.smi-spec.io: its project publishes a form of definitions that no API server takes any more."""
    backends = entries(("service", "weight"), service=TEXT, weight={"type": "number"})
    spec = fields_of(("service", "backends"), service=TEXT, backends=backends)
    return definition("split.smi-spec.io", "v1alpha2", "TrafficSplit", "trafficsplits", spec)


def written() -> list[dict[str, Any]]:
    """Those whose projects are in no registry of packages."""
    found = [_openshift(), _skipper(), _apisix(), _smi()]
    return [*found, *map(_kuma, ("MeshHTTPRoute", "MeshTCPRoute")), *map(_gloo, ("RouteTable", "VirtualService"))]
