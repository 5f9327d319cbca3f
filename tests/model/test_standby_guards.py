"""Policies and monitors: copied where the standby's pods would lose them, named where that cannot be."""

from __future__ import annotations

from helm_safe.core.annotations import STANDBY_LABEL
from helm_safe.core.objects import label_selector_matches, labels_of, selects
from helm_safe.model.own import Owner
from helm_safe.model.standby import Standbys
from tests.checks.world import container, deployment, obj, service
from tests.model.standbys import Case, policy, two


def test_a_policy_that_would_be_lost_is_copied() -> None:
    target, live = two()
    guard = policy(
        "web", {"matchLabels": {"app": "web"}}, policyTypes=["Ingress"], ingress=[{"ports": [{"port": 8080}]}]
    )
    case = Case([target, service()], [live, service(), guard])
    made = case.made("NetworkPolicy", "web-standby")
    assert made["spec"]["podSelector"] == {"matchLabels": {STANDBY_LABEL: "web-standby"}}
    assert made["spec"]["ingress"] == guard["spec"]["ingress"]
    assert label_selector_matches(made["spec"]["podSelector"], case.worn())
    assert made["apiVersion"] == guard["apiVersion"]


def test_the_targets_shape_of_a_policy_is_the_one_copied() -> None:
    target, live = two()
    old, new = (policy("web", {"matchLabels": {"app": "web"}}, egress=[{"ports": [{"port": port}]}]) for port in (1, 2))
    made = Case([target, service(), old], [live, service(), new]).made("NetworkPolicy", "web-standby")
    assert made["spec"]["egress"] == [{"ports": [{"port": 1}]}]


def test_plain_selectors_monitors_and_policies_by_reference() -> None:
    target, live = two()
    sidecar = obj("Sidecar", "web", "networking.istio.io", spec={"workloadSelector": {"labels": {"app": "web"}}})
    monitor = obj(
        "PodMonitor",
        "web",
        "monitoring.coreos.com",
        labels={"release": "prom"},
        spec={"selector": {"matchLabels": {"app": "web"}}},
    )
    named = obj(
        "AuthorizationPolicy", "door", "security.istio.io", spec={"targetRefs": [{"kind": "Service", "name": "web"}]}
    )
    case = Case([target, service()], [live, service(), sidecar, monitor, named])
    assert case.made("Sidecar", "web-standby")["spec"]["workloadSelector"] == {"labels": {STANDBY_LABEL: "web-standby"}}
    assert labels_of(case.made("PodMonitor", "web-standby"))["release"] == "prom"
    assert "AuthorizationPolicy/door-standby" not in case.names()


def test_a_monitor_of_services_finds_ours() -> None:
    target, live = two()
    door = {**service(), "metadata": {"name": "web", "namespace": "prod", "labels": {"app": "web"}}}
    monitor = obj("ServiceMonitor", "web", "monitoring.coreos.com", spec={"selector": {"matchLabels": {"app": "web"}}})
    other = obj("ServiceMonitor", "db", "monitoring.coreos.com", spec={"selector": {"matchLabels": {"app": "db"}}})
    case = Case([target, door], [live, door, monitor, other])
    made = case.made("ServiceMonitor", "web-standby")
    assert selects(made["spec"]["selector"]["matchLabels"], labels_of(case.made("Service", "web-standby")))
    assert "ServiceMonitor/db-standby" not in case.names()


def test_a_policy_of_two_standbys_is_copied_for_each() -> None:
    target, live = two({"app": "web", "part-of": "shop"}, selector={"matchLabels": {"part-of": "shop", "app": "web"}})
    others = []
    for number in (1, 2):
        other = deployment("api", container(image=f"registry.example/api:{number}"))
        other["spec"]["template"]["metadata"]["labels"] = {"app": "api", "part-of": "shop"}
        others.append(other)
    doors = [service(), service("api")]
    guard = policy("shop", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]})
    case = Case([target, others[0], *doors], [live, others[1], *doors, guard], routed=("web", "api"))
    assert [name for name in case.names() if name.startswith("NetworkPolicy")] == [
        "NetworkPolicy/shop-api-standby",
        "NetworkPolicy/shop-web-standby",
    ]


def test_strangers_in_the_policies_of_others_are_named() -> None:
    target, live = two()
    allows = policy(
        "db", {"matchLabels": {"app": "db"}}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]
    )
    wide = policy("cache", {}, ingress=[{"from": [{"podSelector": {}}]}])
    case = Case([target, service()], [live, service(), allows, wide])
    standby = Standbys(case.staging, case.change, case.live, Owner("r1", "shop")).all[0]
    assert [str(each) for each in standby.peers] == ["NetworkPolicy/db"]


def test_cilium_policies_with_prefixes_and_several_specs() -> None:
    target, live = two()
    specs = [{"endpointSelector": {"matchLabels": {"k8s:app": name}}} for name in ("web", "db")]
    guard = obj("CiliumNetworkPolicy", "all", "cilium.io", specs=specs)
    made = Case([target, service()], [live, service(), guard]).made("CiliumNetworkPolicy", "all-standby")
    assert made["spec"] == {"endpointSelector": {"matchLabels": {STANDBY_LABEL: "web-standby"}}}


def test_istios_way_of_connecting_holds_for_the_standby() -> None:
    """The subset's own policy comes first; without a policy there is nothing to copy."""
    target, live = two()
    mutual = {"tls": {"mode": "ISTIO_MUTUAL"}}
    rule = obj("DestinationRule", "any", "networking.istio.io", spec={"host": "web", "trafficPolicy": mutual})
    made = Case([target, service()], [live, service(), rule]).made("DestinationRule", "web-standby")
    assert made["spec"] == {"host": "web-standby", "trafficPolicy": mutual}
    bare = obj("DestinationRule", "any", "networking.istio.io", spec={"host": "web", "subsets": [{"name": "v1"}]})
    assert "DestinationRule/web-standby" not in Case([target, service()], [live, service(), bare]).names()
