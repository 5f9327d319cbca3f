"""The table of a run's calls, as roles and as access reviews."""

from __future__ import annotations

from typing import Any

import pytest

from helm_safe.core.objects import Gvk, Object, ObjectRef, gvk_of, name_of, namespace_of
from helm_safe.model.resources import PODS
from helm_safe.model.revisions import Hook, Release, Revision, RevisionStatus
from helm_safe.model.snapshot import Resource, Served
from helm_safe.model.warming import WarmUp
from helm_safe.rollback import permissions

RELEASE = Release("shop", "api")
DEPLOYMENT = Resource(Gvk("apps", "v1", "Deployment"), "deployments", namespaced=True)
CONFIG_MAP = Resource(Gvk("", "v1", "ConfigMap"), "configmaps", namespaced=True)
JOB = Resource(Gvk("batch", "v1", "Job"), "jobs", namespaced=True)
CLASS = Resource(Gvk("storage.k8s.io", "v1", "StorageClass"), "storageclasses", namespaced=False)
ROLE = Resource(Gvk("rbac.authorization.k8s.io", "v1", "Role"), "roles", namespaced=True)
SERVED = Served({each.gvk: each for each in (DEPLOYMENT, CONFIG_MAP, JOB, CLASS, ROLE)})


def thing(resource: Resource, name: str = "one", namespace: str = "shop") -> Object:
    where = {"namespace": namespace} if resource.namespaced else {}
    return {"apiVersion": resource.gvk.api_version, "kind": resource.gvk.kind, "metadata": {"name": name, **where}}


def revision(number: int, *objects: Object, hooks: tuple[Hook, ...] = ()) -> Revision:
    refs = {ObjectRef(gvk_of(o).group, gvk_of(o).kind, namespace_of(o), name_of(o)): o for o in objects}
    return Revision(number, RevisionStatus.SUPERSEDED, "", hooks=hooks, objects=refs)


def granted(roles: list[Object], kind: str = "Role") -> dict[str, list[str]]:
    """Resource -> verbs of the first role of a kind."""
    rules: list[dict[str, Any]] = next((each["rules"] for each in roles if each["kind"] == kind), [])
    return {name: rule["verbs"] for rule in rules for name in rule["resources"]}


def roles_for(*revisions: Revision, reads: tuple[tuple[str, str], ...] = ()) -> list[Object]:
    deleted = permissions.changing(revisions)
    asked = permissions.of_run(SERVED, RELEASE, revisions, deleted=deleted, reads=reads, policy=True)
    return permissions.roles(asked, RELEASE)


def test_every_run_may_keep_records_lease_and_evidence_and_no_more() -> None:
    rights = granted(roles_for(revision(1)))
    assert rights["secrets"] == ["get", "list", "create", "update", "patch", "delete"]
    assert rights["leases"] == ["get", "create", "patch"]
    assert rights["pods/log"] == ["get"]
    assert rights["pods/proxy"] == ["get"]
    assert rights["configmaps"] == ["get"]
    assert rights["pods"] == rights["events"] == rights["statefulsets"] == ["list", "watch"]


def test_what_a_run_gets_on_without_is_granted_and_not_reviewed() -> None:
    """A hook's pods are watched by Helm, which does not get on without it."""
    asked = permissions.of_run(SERVED, RELEASE, [revision(1)], deleted=(), reads=())
    assert "watch" in {each.verb for each in asked}
    assert "watch" not in {each.verb for each in permissions.to_review(asked, ())}
    hook = Hook("migrate", "Job", "", ("post-rollback",), 0, "", objects=(thing(JOB),))
    asked = permissions.of_run(SERVED, RELEASE, [revision(1, hooks=(hook,))], deleted=(), reads=())
    watched = [each.resource for each in permissions.to_review(asked, ()) if each.verb == "watch"]
    assert watched == [JOB]


def test_only_what_differs_between_revisions_may_be_deleted() -> None:
    same, new = thing(DEPLOYMENT), thing(CONFIG_MAP)
    rights = granted(roles_for(revision(1, same), revision(2, same, new)))
    assert rights["configmaps"] == ["get", "list", "create", "patch", "delete"]
    assert rights["deployments"] == ["get", "list", "watch", "create", "patch"]
    assert rights["deployments/scale"] == ["patch"]


def test_hooks_may_be_made_watched_and_removed_only_where_a_rollback_runs_them() -> None:
    runs = Hook("migrate", "Job", "", ("post-rollback",), 0, "", objects=(thing(JOB),))
    other = Hook("test", "Job", "", ("test",), 0, "", objects=(thing(JOB),))
    assert granted(roles_for(revision(1, hooks=(runs,))))["jobs"] == ["get", "list", "watch", "create", "delete"]
    assert "jobs" not in granted(roles_for(revision(1, hooks=(other,))))


def test_kinds_of_the_whole_cluster_go_into_a_cluster_role_and_other_namespaces_into_their_own() -> None:
    roles = roles_for(revision(1, thing(CLASS), thing(CONFIG_MAP, namespace="elsewhere")))
    assert [(each["kind"], each["metadata"].get("namespace")) for each in roles] == [
        ("Role", "shop"),
        ("Role", "elsewhere"),
        ("ClusterRole", None),
    ]
    assert granted(roles, "ClusterRole") == {"storageclasses": ["get", "list", "create", "patch"]}


def test_kinds_that_the_server_lacks_are_left_out() -> None:
    assert "canaries" not in granted(roles_for(revision(1), reads=(("flagger.app", "Canary"),)))


def test_only_what_lists_and_dry_runs_do_not_prove_is_reviewed() -> None:
    asked = permissions.of_run(SERVED, RELEASE, [revision(1, thing(CONFIG_MAP))], deleted=(), reads=())
    reviewed = permissions.to_review(asked, {("", "ConfigMap"), ("", "Secret"), ("", "Pod")})
    words = {(each.verb, each.resource.plural, each.subresource) for each in reviewed}
    assert ("get", "configmaps", "") in words
    assert not words & {("list", "configmaps", ""), ("patch", "configmaps", ""), ("list", "secrets", "")}
    assert ("get", "pods", "proxy") in words
    assert {("patch", "secrets", ""), ("create", "leases", ""), ("get", "pods", "log"), ("list", "events", "")} <= words


def test_writes_that_move_users_in_steps_are_reviewed_for_no_dry_run_tries_them() -> None:
    pods = permissions.Permission("patch", PODS, "shop")
    made = permissions.Permission("create", DEPLOYMENT, "shop")
    objects = [revision(1, thing(DEPLOYMENT))]
    asked = permissions.of_run(SERVED, RELEASE, objects, deleted=(), reads=(), staged=(pods, made))
    assert {pods, made} <= set(permissions.to_review(asked, (), (pods, made)))
    assert not {pods, made} & set(permissions.to_review(asked, ()))


def test_the_policy_was_read_already_or_came_from_a_file() -> None:
    asked = permissions.of_run(SERVED, RELEASE, [revision(1)], deleted=(), reads=())
    assert not [each for each in permissions.to_review(asked, ()) if each.resource.plural == "configmaps"]


def test_one_kind_described_in_two_ways_is_asked_for_once() -> None:
    richer = Resource(DEPLOYMENT.gvk, "deployments", namespaced=True, verbs=frozenset({"get"}))
    served = Served({richer.gvk: richer})
    asked = permissions.of_run(served, RELEASE, [revision(1, thing(DEPLOYMENT))], deleted=(), reads=())
    assert [each.verb for each in asked if each.resource.plural == "deployments" and not each.subresource] == [
        "list",
        "watch",
        "get",
        "create",
        "patch",
    ]


def pod(*containers: str) -> Object:
    return {"metadata": {"name": "api-1"}, "spec": {"containers": [{"name": each} for each in containers]}}


@pytest.mark.parametrize(
    ("wanted", "pods", "rights"),
    [
        (WarmUp(), [pod("app")], set()),
        (WarmUp(), [pod("app"), pod("app", "istio-proxy")], {"get portforward", "create portforward"}),
        (WarmUp(via="proxy"), [pod("app", "istio-proxy")], set()),
        (WarmUp(via="port-forward"), [], {"get portforward", "create portforward"}),
        (WarmUp(via="port-forward", least=0), [], set()),
        (WarmUp(headers={"Cookie": "$SHOP"}), [], {"get portforward", "create portforward"}),
        (WarmUp(method="POST", unsafe_methods="allow"), [], {"create proxy"}),
        (
            WarmUp(method="POST", unsafe_methods="allow", via="port-forward"),
            [],
            {"get portforward", "create portforward"},
        ),
    ],
)
def test_a_pods_port_is_forwarded_only_where_a_warm_up_needs_it(
    wanted: WarmUp, pods: list[Object], rights: set[str]
) -> None:
    found = permissions.of_warm_up(RELEASE, wanted, pods)
    assert {f"{each.verb} {each.subresource}" for each in found} == rights
    assert set(found) <= set(permissions.to_review(found, {("", "Pod")})), "no dry run tries them"


def test_objects_that_grant_rights_are_named() -> None:
    assert permissions.grants_rights([revision(1, thing(ROLE, "reader"), thing(CONFIG_MAP))]) == ["Role/reader"]


def test_what_pods_use_is_asked_for_where_a_query_wants_it() -> None:
    rights = granted(permissions.roles(permissions.of_pod_metrics("shop"), RELEASE))
    assert rights == {"pods": ["list"], "services": ["get"]}
