"""The standby's objects: their names, their labels, what the live objects must miss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.core.annotations import STANDBY_LABEL
from helm_safe.core.objects import Object, ObjectRef, dig, label_selector_matches, labels_of, selects
from helm_safe.model.own import CannotStandBy
from helm_safe.model.standby import joined_labels
from tests.checks.world import container, deployment, obj, service
from tests.model.standbys import Case, budget, policy, selecting, two


def test_the_objects_of_a_plain_release() -> None:
    target, live = two()
    case = Case([target, service()], [live, service()])
    assert case.names() == ["Service/web-standby", "Deployment/web-standby"]
    for each in case.objects():
        assert {
            "app.kubernetes.io/managed-by": "helm-safe",
            "helm-safe.dev/release": "shop",
            "helm-safe.dev/run": "r1",
            "helm-safe.dev/role": "standby",
        }.items() <= labels_of(each).items()
    made = case.made("Deployment", "web-standby")
    assert made["spec"]["replicas"] == 2
    assert selects(made["spec"]["selector"]["matchLabels"], case.worn())
    assert selects(case.made("Service", "web-standby")["spec"]["selector"], case.worn())
    assert case.changed() == {"app": "web"}


def test_the_template_stays_as_the_target_has_it() -> None:
    pod = {"terminationGracePeriodSeconds": 7, "nodeSelector": {"disk": "fast"}}
    target, live = two(pod=pod, paused=True, strategy={"type": "Recreate"}, progressDeadlineSeconds=90)
    target["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": "1"}
    made = Case([target, service()], [live, service()]).made("Deployment", "web-standby")
    assert made["spec"]["template"]["spec"] == target["spec"]["template"]["spec"]
    assert made["spec"]["template"]["metadata"]["annotations"] == {"checksum/config": "1"}
    assert "paused" not in made["spec"]
    assert made["spec"]["progressDeadlineSeconds"] == 90


def test_one_shared_key_is_enough() -> None:
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "shop", "tier": "front"}
    pair = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "shop"}
    target, live = two(labels, selector={"matchLabels": pair})
    door = service(selector=pair)
    assert Case([target, door], [live, door]).changed() == {"app.kubernetes.io/instance": "shop"}


def test_disjoint_selectors_need_a_key_each() -> None:
    target, live = two({"app": "web", "tier": "front"}, selector={"matchLabels": {"tier": "front"}})
    door = selecting("web", app="web")
    assert Case([target, door], [live, door]).changed() == {"app": "web", "tier": "front"}


def test_a_service_without_a_route_must_miss_too() -> None:
    target, live = two({"app": "web", "metrics": "on"}, selector={"matchLabels": {"app": "web"}})
    door, other = selecting("web", app="web"), selecting("scrape", metrics="on")
    case = Case([target, door], [live, door, other])
    assert case.changed() == {"app": "web", "metrics": "on"}
    assert not selects(other["spec"]["selector"], case.worn())
    assert case.names() == ["Service/web-standby", "Deployment/web-standby"]


def test_a_budget_must_miss() -> None:
    target, live = two({"app": "web", "tier": "front"}, selector={"matchLabels": {"app": "web"}})
    rule = budget(matchExpressions=[{"key": "tier", "operator": "In", "values": ["front", "back"]}])
    case = Case([target, service()], [live, service(), rule])
    assert case.changed() == {"app": "web", "tier": "front"}
    assert not label_selector_matches(rule["spec"]["selector"], case.worn())


def test_a_budget_that_a_change_would_let_in() -> None:
    """It counts every pod but web's: once app changes, another label has to keep the standby out."""
    target, live = two({"app": "web", "tier": "front"}, selector={"matchLabels": {"app": "web"}})
    rule = budget(
        matchLabels={"tier": "front"}, matchExpressions=[{"key": "app", "operator": "NotIn", "values": ["web"]}]
    )
    case = Case([target, service()], [live, service(), rule])
    assert not label_selector_matches(rule["spec"]["selector"], case.worn())


def test_a_budget_of_the_whole_namespace_is_no_obstacle() -> None:
    target, live = two()
    assert Case([target, service()], [live, service(), budget()]).changed() == {"app": "web"}


@pytest.mark.parametrize(
    "selector",
    [
        {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "legacy", "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]},
    ],
)
def test_what_no_value_escapes_is_refused(selector: Object) -> None:
    target, live = two(selector=selector)
    with pytest.raises(CannotStandBy, match="Deployment/web would select the standby's pods too"):
        Case([target, service()], [live, service()]).objects()


def test_the_key_that_keeps_a_policy_is_preferred() -> None:
    labels = {"app": "web", "tier": "front"}
    target, live = two(labels)
    door = service(selector=labels)
    guard = policy("front", {"matchLabels": {"tier": "front"}})
    case = Case([target, door], [live, door, guard])
    assert case.changed() == {"app": "web"}
    assert "NetworkPolicy/front-standby" not in case.names()


def test_joined_pods_are_selected_by_every_live_service_and_stay_ours() -> None:
    target, live = two({"app": "web", "metrics": "on"}, selector={"matchLabels": {"app": "web"}})
    door, other = selecting("web", app="web"), selecting("scrape", metrics="on")
    case = Case([target, door], [live, door, other])
    joined = joined_labels(case.staging, case.change, case.live, "r1", "shop")["web-standby"].joined
    assert selects(door["spec"]["selector"], joined)
    assert selects(other["spec"]["selector"], joined)
    made = case.made("Deployment", "web-standby")
    assert label_selector_matches(made["spec"]["selector"], joined)


def test_long_and_empty_label_values_stay_legal() -> None:
    labels = {"app": "w" * 63, "tier": ""}
    target, live = two(labels, selector={"matchLabels": {"tier": ""}})
    door = selecting("web", app="w" * 63)
    worn = Case([target, door], [live, door]).worn()
    assert worn["app"] == "w" * 55 + "-standby"
    assert worn["tier"] == "standby"


def test_a_long_name_keeps_our_end() -> None:
    name = "a" * 60
    target, live = two()
    for each in (target, live):
        each["metadata"]["name"] = name
    case = Case([target, service()], [live, service()])
    assert "a" * 55 + "-standby" in case.names()[-1]


def test_names_that_become_the_same_are_refused() -> None:
    maps = [obj("ConfigMap", "c" * 100 + end, data={"a": "1"}) for end in ("x", "y")]
    sources = [{"configMapRef": {"name": each["metadata"]["name"]}} for each in maps]
    target, live = two(container={"envFrom": sources})
    with pytest.raises(CannotStandBy, match="too long"):
        Case([target, service(), *maps], [live, service()]).objects()


def test_the_service_beside_the_live_one() -> None:
    live_door = service()
    live_door["metadata"]["annotations"] = {
        "traefik.ingress.kubernetes.io/service.serversscheme": "h2c",
        "meta.helm.sh/release-name": "shop",
        "external-dns.alpha.kubernetes.io/hostname": "shop.example",
    }
    live_door["spec"].update(
        type="NodePort",
        clusterIP="10.0.0.9",
        clusterIPs=["10.0.0.9"],
        sessionAffinity="ClientIP",
        ports=[{"name": "http", "port": 80, "targetPort": 9090, "nodePort": 30080, "appProtocol": "http"}],
    )
    target, live = two()
    made = Case([target, service(target=8080)], [live, live_door]).made("Service", "web-standby")
    assert made["spec"] == {
        "type": "ClusterIP",
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}],
        "selector": {STANDBY_LABEL: "web-standby"},
        "sessionAffinity": "ClientIP",
    }
    assert made["metadata"]["annotations"] == {"traefik.ingress.kubernetes.io/service.serversscheme": "h2c"}


def test_a_headless_service_stays_headless() -> None:
    door = service()
    door["spec"]["clusterIP"] = "None"
    target, live = two()
    assert Case([target, door], [live, door]).made("Service", "web-standby")["spec"]["clusterIP"] == "None"


def test_two_doors_get_a_service_each() -> None:
    target, live = two()
    doors = [service(), service("web-admin", 9000, 9000, {"app": "web"})]
    case = Case([target, *doors], [live, *doors], routed=("web", "web-admin"))
    assert case.names()[:2] == ["Service/web-standby", "Service/web-admin-standby"]


def test_a_service_of_two_staged_workloads_is_refused() -> None:
    target, live = two({"app": "web", "name": "one"}, selector={"matchLabels": {"name": "one"}})
    others = [deployment("two", container(image=f"registry.example/two:{number}")) for number in (1, 2)]
    for each in others:
        each["spec"]["template"]["metadata"]["labels"] = {"app": "web", "name": "two"}
        each["spec"]["selector"] = {"matchLabels": {"name": "two"}}
    door = selecting("web", app="web")
    with pytest.raises(CannotStandBy, match="several workloads"):
        Case([target, others[0], door], [live, others[1], door]).objects()


def test_our_own_objects_are_not_mistaken_for_live_ones() -> None:
    """A run that is resumed sees the objects that it made."""
    target, live = two()
    guard = policy("web", {"matchLabels": {"app": "web"}})
    first = Case([target, service()], [live, service(), guard])
    again = Case([target, service()], [live, service(), guard, *first.objects()])
    assert again.objects() == first.objects()


KEYS = ("app", "tier", "app.kubernetes.io/name", "app.kubernetes.io/instance", "track")
PAIRS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["a", "b"]), min_size=1)


@given(PAIRS, st.lists(st.sets(st.sampled_from(KEYS)), max_size=3), st.lists(PAIRS, max_size=4))
def test_whatever_selects_the_live_pods_misses_the_standby(
    labels: dict[str, str], parts: list[set[str]], guards: list[dict[str, str]]
) -> None:
    target, live = two(labels)
    doors = [service()] + [service(f"other-{index}") for index, _ in enumerate(parts)]
    doors[0]["spec"]["selector"] = labels
    for door, part in zip(doors[1:], parts, strict=True):
        door["spec"]["selector"] = {key: labels[key] for key in labels.keys() & part}
    policies = [policy(f"guard-{index}", {"matchLabels": pairs}) for index, pairs in enumerate(guards)]
    case = Case([target, *doors], [live, *doors, *policies])
    worn = case.worn()
    assert not any(selects(door["spec"]["selector"], worn) for door in doors)
    assert not label_selector_matches(live["spec"]["selector"], worn)
    assert {**worn, **case.changed()}.items() >= labels.items()
    copies = [each for each in case.objects() if each["kind"] == "NetworkPolicy"]
    before = sum(selects(pairs, labels) for pairs in guards)
    after = [each for each in (*policies, *copies) if label_selector_matches(dig(each, "spec", "podSelector"), worn)]
    assert len(after) == before
    assert case.objects() == case.objects()


def test_refs_of_other_namespaces_do_not_count() -> None:
    target, live = two()
    elsewhere = {**service("far"), "metadata": {"name": "far", "namespace": "other"}}
    elsewhere["spec"] = {"selector": {"app": "web-standby"}, "ports": []}
    assert ObjectRef("", "Service", "other", "far") in Case([target, service()], [live, service(), elsewhere]).live
    assert Case([target, service()], [live, service(), elsewhere]).changed() == {"app": "web"}
