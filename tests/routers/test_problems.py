"""What is wrong with a route is found while planning, in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helm_safe.checks.base import ROUTES
from helm_safe.core.objects import Object, ref_of
from helm_safe.model.routes import Around, Backends, Weight
from helm_safe.rollback.discovery import context_kinds, route_kinds
from helm_safe.routers.alb import ROUTER as ALB
from helm_safe.routers.contour import ROUTER as CONTOUR
from helm_safe.routers.ingress_nginx import ROUTER as NGINX
from helm_safe.routers.istio import ROUTER as ISTIO
from helm_safe.routers.openshift import ROUTER as OPENSHIFT
from helm_safe.routers.skipper import ROUTER as SKIPPER
from helm_safe.routers.smi import ROUTER as SMI

ISTIO_API = "networking.istio.io"


def obj(api: str, kind: str, name: str, namespace: str = "shop", **body: Any) -> Object:
    """A live object; annotations and labels go to its metadata."""
    metadata = {"name": name, "namespace": namespace}
    metadata |= {key: body.pop(key) for key in ("annotations", "labels") if key in body}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def around(*objects: Object, listed: bool = True) -> Around:
    kinds = {(ISTIO_API, "Gateway"), (ISTIO_API, "DestinationRule"), ("", "Pod"), ("", "Service")}
    return Around({ref_of(each): each for each in objects}, frozenset(kinds if listed else ()))


def virtual(name: str = "web", *destinations: str, **spec: Any) -> Object:
    """destinations: "host" or "host/subset"."""
    found = []
    for each in destinations:
        host, _, subset = each.partition("/")
        target = {"host": host, **({"subset": subset} if subset else {})}
        found.append({"destination": target, "weight": 100 // len(destinations)})
    return obj(f"{ISTIO_API}/v1", "VirtualService", name, spec={"http": [{"route": found}], **spec})


SERVICE = obj("v1", "Service", "web", spec={"selector": {"app": "web"}})
SUBSETS = {"host": "web", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}
RULE = obj(f"{ISTIO_API}/v1", "DestinationRule", "web", spec=SUBSETS)
POD = obj("v1", "Pod", "web-1", labels={"app": "web", "version": "v1"})
EDGE = obj(f"{ISTIO_API}/v1", "Gateway", "edge", "istio-system")


def test_a_gateway_that_does_not_exist() -> None:
    """Only where none that exists is left; where gateways may not be listed nobody claims anything."""
    bound = virtual("web", "web", gateways=["istio-system/lost"])
    found = ISTIO.problems(bound, "web", around(SERVICE, POD, EDGE))
    assert found == ["it is bound to Gateway istio-system/lost, which does not exist"]
    both = virtual("web", "web", gateways=["istio-system/lost", "istio-system/edge"])
    assert ISTIO.problems(both, "web", around(SERVICE, POD, EDGE)) == []
    assert ISTIO.problems(virtual("web", "web", gateways=["lost", "mesh"]), "web", around(SERVICE, POD)) == []
    assert ISTIO.problems(bound, "web", around(listed=False)) == []


def test_subsets_need_a_destination_rule_and_pods() -> None:
    """A subset that selects no pod answers with 503."""
    route = virtual("web", "web/v1", "web/v2")
    assert "no DestinationRule tells" in ISTIO.problems(route, "web/v1", around(SERVICE, POD))[0]
    words = ISTIO.problems(route, "web/v1", around(SERVICE, POD, RULE))
    assert "no DestinationRule tells which pods of Service web are subset v2" in words
    assert ISTIO.problems(virtual("web", "web/v1"), "web/v1", around(SERVICE, POD, RULE)) == []
    assert ISTIO.problems(virtual("web", "web/v1"), "web/v1", around(SERVICE, RULE)) == [
        "subset v1 of Service web has no pods"
    ]


def test_delegates_in_a_loop() -> None:
    first = virtual("web", "web", http=[{"delegate": {"name": "a"}}, {"route": [{"destination": {"host": "web"}}]}])
    second = virtual("a", http=[{"delegate": {"name": "web", "namespace": "shop"}}])
    assert "its delegates lead back to itself" in ISTIO.problems(first, "web", around(SERVICE, first, second))
    straight = virtual("a", "other")
    assert ISTIO.problems(first, "web", around(SERVICE, first, straight)) == []


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("web", {"web"}),
        ("web.shop", {"web"}),
        ("web.shop.svc.cluster.local", {"web"}),
        ("web.other.svc.cluster.local", set()),
        ("api.example.com", set()),
        ("*.shop.svc.cluster.local", set()),
    ],
)
def test_hosts_name_services_as_istio_reads_them(host: str, found: set[str]) -> None:
    assert ISTIO.services(virtual("web", host)) == found


def ingress(name: str, service: str = "web", port: Any = None, **annotations: str) -> Object:
    backend = {"service": {"name": service, "port": port or {"number": 80}}}
    rules = [{"host": "shop.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    marks = {key.replace("__", "/"): value for key, value in annotations.items()}
    spec = {"ingressClassName": "nginx", "rules": rules}
    return obj("networking.k8s.io/v1", "Ingress", name, annotations=marks, spec=spec)


CANARY = {"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "50"}


def test_a_canary_ingress_that_is_there_already() -> None:
    """It answers for its paths, can be weighed, and stands in the way of a second one."""
    main = ingress("web")
    canary = {
        **ingress("web-canary", "web-v1"),
        "metadata": {**ingress("web-canary")["metadata"], "annotations": CANARY},
    }
    scene = around(main, canary)
    assert NGINX.services(main, scene) == set()
    assert NGINX.services(canary, scene) == {"web", "web-v1"}
    assert NGINX.beside(canary, "web", scene) == {"web-v1"}
    assert NGINX.shares(canary, scene) == [{"web": 50.0, "web-v1": 50.0}]
    assert "only one can be" in NGINX.problems(canary, "web", scene)[0]
    assert NGINX.services(main, around(main)) == {"web"}


def test_a_default_backend_cannot_be_shared() -> None:
    main = ingress("web")
    main["spec"]["defaultBackend"] = {"service": {"name": "web", "port": {"number": 80}}}
    assert "defaultBackend" in NGINX.problems(main, "web", around(main))[0]


@pytest.mark.parametrize(
    ("classes", "wanted", "mine"),
    [
        ([], "nginx", True),
        ([], "traefik", False),
        ([("nginx", "nginx.org/ingress-controller", False)], "nginx", False),
        ([("public", "k8s.io/ingress-nginx", False)], "public", True),
        ([("public", "k8s.io/ingress-nginx", True)], "", True),
        ([("other", "example.com/x", True)], "", False),
    ],
)
def test_whose_an_ingress_is(classes: list[tuple[str, str, bool]], wanted: str, mine: bool) -> None:
    """The controller of its class decides; the class's name only where classes may not be read."""
    mark = "ingressclass.kubernetes.io/is-default-class"
    known = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": name, "annotations": {mark: "true"} if default else {}},
            "spec": {"controller": controller},
        }
        for name, controller, default in classes
    ]
    route = ingress("web")
    route["spec"] = {**route["spec"], "ingressClassName": wanted} if wanted else {"rules": route["spec"]["rules"]}
    assert NGINX.mine(route, around(*known)) is mine


def test_an_annotation_with_broken_json() -> None:
    """Named, and the Services that it seems to mean are not overlooked."""
    action = "alb.ingress.kubernetes.io/actions.web"
    broken = ingress("web", "web", {"name": "use-annotation"})
    broken["metadata"]["annotations"] = {
        action: '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"api"'
    }
    assert ALB.services(broken) == {"api"}
    assert ALB.problems(broken, "api") == [f"its annotation {action} is no JSON object"]
    shared = ingress("web")
    shared["metadata"]["annotations"] = {"zalando.org/backend-weights": "{web: 1"}
    assert SKIPPER.problems(shared, "web") == ["its annotation zalando.org/backend-weights is no JSON object"]


def test_a_path_of_alb_without_an_action() -> None:
    """It names the Service itself, so there is nothing to share."""
    plain = ingress("web")
    assert ALB.services(plain) == {"web"}
    assert "a path names Service web itself" in ALB.problems(plain, "web")[0]


def test_weights_that_send_nobody() -> None:
    gone = json.dumps({"web": 0, "web-v1": 100})
    shared = ingress("web")
    shared["metadata"]["annotations"] = {"zalando.org/backend-weights": gone}
    paths = shared["spec"]["rules"][0]["http"]["paths"]
    paths.append(json.loads(json.dumps(paths[0]).replace('"web"', '"web-v1"')))
    assert "a weight of 0" in SKIPPER.problems(shared, "web")[0]
    assert SKIPPER.beside(shared, "web") == {"web-v1"}


def test_limits_of_single_routers() -> None:
    """Three alternate backends, old quantities, what Contour calls invalid."""
    others = [{"kind": "Service", "name": f"b{number}", "weight": 0} for number in range(3)]
    full = obj("route.openshift.io/v1", "Route", "web", spec={"to": {"name": "web"}, "alternateBackends": others})
    assert "3 alternate backends already" in OPENSHIFT.problems(full, "web")[0]
    old = obj("split.smi-spec.io/v1alpha1", "TrafficSplit", "web", spec={"backends": [{"service": "web", "weight": 1}]})
    assert "quantities" in SMI.problems(old, "web")[0]
    invalid = obj("projectcontour.io/v1", "HTTPProxy", "web", spec={"routes": [{"services": [{"name": "web"}]}]})
    invalid["status"] = {"conditions": [{"type": "Valid", "status": "False"}], "description": "orphaned"}
    assert CONTOUR.problems(invalid, "web") == ["Contour calls it invalid: orphaned"]


def test_pinned_rules_are_told_and_may_be_left() -> None:
    """Rules for testers move with the others, or stay when a person asks for it."""
    beta = {"match": [{"headers": {"x-beta": {"exact": "1"}}}], "route": [{"destination": {"host": "web"}}]}
    route = virtual("web", http=[{"name": "beta", **beta}, {"route": [{"destination": {"host": "web"}}]}])
    assert ISTIO.pinned(route, "web") == ["http rule beta"]
    assert ISTIO.pinned(route, "other") == []
    pairs = [Backends("web", "web-standby")]
    moved = ISTIO.patch(ISTIO.capture(route), route, pairs, Weight(10))
    left = ISTIO.patch(ISTIO.capture(route, pinned=False), route, pairs, Weight(10))
    assert [each["path"] for each in moved[1:]] == ["/spec/http/0/route", "/spec/http/1/route"]
    assert [each["path"] for each in left[1:]] == ["/spec/http/1/route"]


def test_checks_name_every_kind_that_routers_read() -> None:
    """So that a kind which may not be listed is told, and `rbac` asks for it; a class lies in no namespace."""
    assert set(ROUTES) == (route_kinds() | context_kinds()) - {("networking.k8s.io", "IngressClass")}
