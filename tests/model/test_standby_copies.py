"""Configuration and accounts of the target that the cluster does not have as the target wants them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.core.references import references_of
from helm_safe.core.workloads import pod_template
from helm_safe.model.own import CannotStandBy
from tests.checks.world import container, live_secret, obj, secret, service
from tests.model.standbys import Case, two

RBAC = "rbac.authorization.k8s.io"

CONFIG = {"envFrom": [{"configMapRef": {"name": "conf"}}, {"secretRef": {"name": "keys"}}]}


def conf(**data: str) -> Object:
    return obj("ConfigMap", "conf", data=data)


def test_configuration_that_differs_is_copied() -> None:
    target, live = two(container=CONFIG)
    case = Case(
        [target, service(), conf(a="1"), secret(token="old")],
        [live, service(), conf(a="2"), live_secret(token="new")],
        [live, service(), conf(a="2"), secret(token="new")],
    )
    assert case.names()[:2] == ["ConfigMap/conf-standby", "Secret/keys-standby"]
    assert case.made("ConfigMap", "conf-standby")["data"] == {"a": "1"}
    assert case.made("Secret", "keys-standby")["data"] == {"token": b64encode(b"old").decode()}
    used = references_of(pod_template(case.made("Deployment", "web-standby")))
    assert [each.name for each in used] == ["conf-standby", "keys-standby"]


def test_configuration_that_is_there_is_used_as_it_is() -> None:
    target, live = two(container=CONFIG)
    mine = obj("Secret", "keys", stringData={"token": "old"}, type="Opaque")
    case = Case([target, service(), conf(a="1"), mine], [live, service(), conf(a="1"), live_secret(token="old")])
    assert case.names() == ["Service/web-standby", "Deployment/web-standby"]
    used = references_of(pod_template(case.made("Deployment", "web-standby")))
    assert [each.name for each in used] == ["conf", "keys"]


def test_keys_that_somebody_added_survive_a_rollback_and_come_along() -> None:
    target, live = two(container=CONFIG)
    kept = [live, service(), conf(a="1", added="x"), live_secret(token="old", added="x")]
    made = [live, service(), conf(a="1"), secret(token="old")]
    unchanged = Case([target, service(), conf(a="1"), secret(token="old")], kept, made)
    assert unchanged.names() == ["Service/web-standby", "Deployment/web-standby"]
    changed = Case([target, service(), conf(a="0"), secret(token="old")], kept, made)
    assert changed.made("ConfigMap", "conf-standby")["data"] == {"a": "0", "added": "x"}


def test_a_key_of_the_newer_revision_does_not_come_along() -> None:
    target, live = two(container=CONFIG)
    now = [live, service(), conf(a="1", newer="x")]
    case = Case([target, service(), conf(a="1")], now)
    assert case.made("ConfigMap", "conf-standby")["data"] == {"a": "1"}


def test_an_added_key_of_a_changed_secret_cannot_be_copied() -> None:
    target, live = two(container=CONFIG)
    case = Case(
        [target, service(), secret(token="old")],
        [live, service(), live_secret(token="new", added="x")],
        [live, service(), secret(token="new")],
    )
    with pytest.raises(CannotStandBy, match=r"Secret/keys differs.*\(added\)"):
        case.objects()


def test_configuration_outside_the_release_is_left_alone() -> None:
    target, live = two(container=CONFIG)
    assert Case([target, service()], [live, service()]).names() == ["Service/web-standby", "Deployment/web-standby"]


def test_every_way_to_refer_is_rewritten() -> None:
    sources = [{"configMap": {"name": "conf"}}, {"secret": {"name": "keys", "items": [{"key": "token"}]}}]
    pod: Object = {
        "initContainers": [
            container("init", env=[{"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}])
        ],
        "volumes": [
            {"name": "all", "projected": {"sources": sources}},
            {"name": "one", "secret": {"secretName": "keys"}},
            {"name": "driver", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "keys"}}},
        ],
        "imagePullSecrets": [{"name": "pull"}, {"name": "elsewhere"}],
    }
    target, live = two(
        pod=pod, container={"env": [{"name": "C", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}}]}
    )
    case = Case([target, service(), conf(a="1"), secret(token="x"), secret("pull", auth="x")], [live, service()])
    template = pod_template(case.made("Deployment", "web-standby"))
    names = {each.name for each in references_of(template)}
    assert names == {"conf-standby", "keys-standby", "pull-standby", "elsewhere"}
    assert template["spec"]["volumes"][0]["projected"]["sources"][1]["secret"]["items"] == [{"key": "token"}]


def account(name: str = "web", **fields: Any) -> Object:
    return obj("ServiceAccount", name, **fields)


def role(*verbs: str) -> Object:
    return obj("Role", "reader", RBAC, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}])


def binding(kind: str = "RoleBinding", role_kind: str = "Role", **fields: Any) -> Object:
    subjects = [{"kind": "ServiceAccount", "name": "web"}, {"kind": "User", "name": "ann"}]
    aim = {"apiGroup": RBAC, "kind": role_kind, "name": "reader"}
    return obj(kind, "web-reads", RBAC, subjects=subjects, roleRef=aim, **fields)


def test_a_missing_account_comes_with_its_rights() -> None:
    target, live = two(pod={"serviceAccountName": "web"})
    mine = account(imagePullSecrets=[{"name": "pull"}])
    case = Case(
        [target, service(), mine, role("get"), binding(), secret("pull", auth="x")], [live, service()], routed=("web",)
    )
    assert case.names() == [
        "Secret/pull-standby",
        "ServiceAccount/web-standby",
        "Role/reader-standby",
        "RoleBinding/web-reads-standby",
        "Service/web-standby",
        "Deployment/web-standby",
    ]
    bound = case.made("RoleBinding", "web-reads-standby")
    assert bound["subjects"] == [{"kind": "ServiceAccount", "name": "web-standby", "namespace": "prod"}]
    assert bound["roleRef"]["name"] == "reader-standby"
    assert case.made("ServiceAccount", "web-standby")["imagePullSecrets"] == [{"name": "pull-standby"}]
    assert case.made("Deployment", "web-standby")["spec"]["template"]["spec"]["serviceAccountName"] == "web-standby"


def test_rights_that_the_account_lacks_are_added_to_it() -> None:
    target, live = two(pod={"serviceAccountName": "web"})
    there = [service(), account(), binding()]
    case = Case([target, *there, role("get", "list")], [live, *there, role("get")])
    assert case.names()[:2] == ["Role/reader-standby", "RoleBinding/web-reads-standby"]
    assert case.made("RoleBinding", "web-reads-standby")["subjects"][0]["name"] == "web"
    assert case.made("Deployment", "web-standby")["spec"]["template"]["spec"]["serviceAccountName"] == "web"


def test_an_account_as_it_was_needs_nothing() -> None:
    """Pull secrets that a controller added to the live account do not count as a difference."""
    target, live = two(pod={"serviceAccountName": "web"})
    there = [service(), binding(), role("get")]
    case = Case([target, *there, account()], [live, *there, account(imagePullSecrets=[{"name": "dockercfg-x"}])])
    assert case.names() == ["Service/web-standby", "Deployment/web-standby"]


def test_rights_in_the_whole_cluster_are_not_copied() -> None:
    target, live = two(pod={"serviceAccountName": "web"})
    wide = binding("ClusterRoleBinding", "ClusterRole")
    wide["metadata"].pop("namespace")
    wide["subjects"][0]["namespace"] = "prod"
    with pytest.raises(CannotStandBy, match="in the whole cluster"):
        Case([target, service(), account(), wide], [live, service()]).objects()


def test_a_cloud_role_goes_by_the_name_of_the_account() -> None:
    target, live = two(pod={"serviceAccountName": "web"})
    mine = account(annotations={"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/web"})
    with pytest.raises(CannotStandBy, match="cloud role"):
        Case([target, service(), mine], [live, service(), account()]).objects()
