"""One suite for the Cluster port: what holds for the real API server holds for the fake."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest

from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.errors import Conflict, Invalid, LostLease, Missing
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Cluster, Following
from tests.contract.real import real_cluster
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import FakeLock


class World(NamedTuple):
    cluster: Cluster
    namespace: str
    maps: Resource
    deployments: Resource
    secrets: Resource

    def ref(self, name: str, kind: str = "ConfigMap") -> ObjectRef:
        return ObjectRef("apps" if kind == "Deployment" else "", kind, self.namespace, name)

    def map(self, name: str, **labels: str) -> Object:
        return self.cluster.create(self.maps, config_map(name, self.namespace, labels))


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    namespace = f"contract-{uuid.uuid4().hex[:8]}"
    if request.param == "fake":
        yield _world(FakeCluster(), namespace)
        return
    with real_cluster(request.getfixturevalue("sandbox"), namespace) as cluster:
        yield _world(cluster, namespace)


def _world(cluster: Cluster, namespace: str) -> World:
    served = cluster.served()
    rows = [
        served.preferred(group, kind) for group, kind in (("", "ConfigMap"), ("apps", "Deployment"), ("", "Secret"))
    ]
    maps, deployments, secrets = (row for row in rows if row is not None)
    return World(cluster, namespace, maps, deployments, secrets)


def config_map(name: str, namespace: str, labels: dict[str, str] | None = None) -> Object:
    metadata: Object = {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def deployment(name: str, namespace: str, **spec: Any) -> Object:
    container = {"name": "main", "image": "shop:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def test_discovery_tells_how_kinds_are_addressed(world: World) -> None:
    assert (world.maps.plural, world.maps.namespaced) == ("configmaps", True)
    assert world.deployments.gvk.api_version == "apps/v1"
    assert {"get", "list", "watch", "patch", "delete"} <= world.deployments.verbs


def test_absent_object_is_none(world: World) -> None:
    assert world.cluster.get(world.maps, world.namespace, "nobody") is None


def test_created_object_has_identity_and_can_be_read(world: World) -> None:
    made = world.map("one")
    read = world.cluster.get(world.maps, world.namespace, "one")
    assert read is not None
    assert read["kind"] == "ConfigMap"
    assert dig(read, "metadata", "uid") == dig(made, "metadata", "uid")
    assert dig(read, "metadata", "resourceVersion")


def test_second_creation_is_a_conflict(world: World) -> None:
    world.map("one")
    with pytest.raises(Conflict) as caught:
        world.map("one")
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")


def test_string_data_is_stored_as_data(world: World) -> None:
    metadata = {"name": "s", "namespace": world.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"k": "v"}}
    assert world.cluster.create(world.secrets, secret)["data"] == {"k": "dg=="}


def test_items_of_a_list_carry_their_type(world: World) -> None:
    world.map("one")
    ref = ObjectRef("", "ConfigMap", world.namespace, "one")
    world.cluster.patch(world.maps, ref, {"data": {"by": "somebody"}}, manager="somebody")
    listing = world.cluster.list(world.maps, world.namespace)
    assert ("v1", "ConfigMap", "one") in [
        (item["apiVersion"], item["kind"], item["metadata"]["name"]) for item in listing.items
    ]
    assert int(listing.resource_version) > 0
    assert all("managedFields" not in item["metadata"] for item in listing.items)
    one = world.cluster.get(world.maps, world.namespace, "one")
    assert one
    assert one["metadata"].get("managedFields"), "nothing was left out: this proves nothing"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("tier=web", ["one"]),
        ("tier!=web", ["two"]),
        ("tier in (web,db)", ["one", "two"]),
        ("tier notin (web)", ["two"]),
        ("extra", ["two"]),
        ("!extra", ["one"]),
        ("tier=db,extra=yes", ["two"]),
        ("tier=web,extra=yes", []),
    ],
)
def test_label_selectors(world: World, labels: str, expected: list[str]) -> None:
    world.map("one", tier="web")
    world.map("two", tier="db", extra="yes")
    found = world.cluster.list(world.maps, world.namespace, labels=labels).items
    assert [n for item in found if (n := item["metadata"]["name"]) in ("one", "two")] == expected


def test_field_selector_by_name(world: World) -> None:
    world.map("one")
    world.map("two")
    found = world.cluster.list(world.maps, world.namespace, fields="metadata.name=two").items
    assert [item["metadata"]["name"] for item in found] == ["two"]


def test_merge_patch_sets_and_removes(world: World) -> None:
    world.map("one")
    patched = world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": None, "b": "2"}})
    assert patched["data"] == {"b": "2"}


def test_json_patch_and_its_failing_test(world: World) -> None:
    world.map("one")
    steps = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "add", "path": "/metadata/annotations", "value": {"x/y": "2"}},
    ]
    assert world.cluster.patch(world.maps, world.ref("one"), steps, kind="json")["metadata"]["annotations"] == {
        "x/y": "2"
    }
    steps = [{"op": "test", "path": "/data/a", "value": "9"}, {"op": "remove", "path": "/data/a"}]
    with pytest.raises(Invalid) as caught:
        world.cluster.patch(world.maps, world.ref("one"), steps, kind="json")
    assert caught.value.status == 422


def test_json_patch_bound_to_a_version_that_is_past_is_a_conflict(world: World) -> None:
    """The server says 422 to it; callers read again after a conflict, and give up after anything else."""
    stale = world.map("one")["metadata"]["resourceVersion"]
    world.cluster.patch(world.maps, world.ref("one"), {"data": {"b": "2"}})
    bound = {"op": "test", "path": "/metadata/resourceVersion", "value": stale}
    with pytest.raises(Conflict) as caught:
        world.cluster.patch(world.maps, world.ref("one"), [bound, {"op": "remove", "path": "/data/a"}], kind="json")
    assert caught.value.status == 409
    bound["value"] = dig(world.cluster.get(world.maps, world.namespace, "one"), "metadata", "resourceVersion")
    with pytest.raises(Invalid):
        world.cluster.patch(world.maps, world.ref("one"), [bound, {"op": "remove", "path": "/data/z"}], kind="json")


def test_a_write_without_effect_makes_no_new_version(world: World) -> None:
    world.map("one")
    before = world.cluster.patch(world.maps, world.ref("one"), {"data": {"b": "2"}}, manager="test")
    time.sleep(1.1)  # times of field managers are whole seconds
    for kind, patch in (("merge", {"data": {"b": "2"}}), ("strategic", {"data": {"b": "2"}})):
        again = world.cluster.patch(world.maps, world.ref("one"), patch, kind=kind, manager="test")
        assert again["metadata"] == before["metadata"]


def test_strategic_patch_merges_containers_by_name(world: World) -> None:
    world.cluster.create(world.deployments, deployment("web", world.namespace))
    containers = [{"name": "side", "image": "side:1"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = world.cluster.patch(world.deployments, world.ref("web", "Deployment"), patch, kind="strategic")
    names = {c["name"] for c in dig(patched, "spec", "template", "spec", "containers")}
    assert names == {"main", "side"}


def test_patch_of_an_absent_object_is_missing(world: World) -> None:
    with pytest.raises(Missing):
        world.cluster.patch(world.maps, world.ref("nobody"), {"data": {}})


def test_stale_version_is_a_conflict_and_changes_nothing(world: World) -> None:
    stale = world.map("one")["metadata"]["resourceVersion"]
    world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "2"}})
    with pytest.raises(Conflict) as caught:
        world.cluster.patch(world.maps, world.ref("one"), {"metadata": {"resourceVersion": stale}, "data": {"a": "3"}})
    assert caught.value.status == 409
    read = world.cluster.get(world.maps, world.namespace, "one")
    assert read is not None
    assert read["data"] == {"a": "2"}


def test_a_patch_that_changes_nothing_makes_no_new_version(world: World) -> None:
    before = world.map("one")["metadata"]["resourceVersion"]
    same = world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "1"}})
    assert same["metadata"]["resourceVersion"] == before


def test_generation_counts_changes_of_the_spec_only(world: World) -> None:
    made = world.cluster.create(world.deployments, deployment("web", world.namespace))
    ref = world.ref("web", "Deployment")
    labelled = world.cluster.patch(world.deployments, ref, {"metadata": {"labels": {"a": "b"}}})
    scaled = world.cluster.patch(world.deployments, ref, {"spec": {"replicas": 3}})
    assert made["metadata"]["generation"] == labelled["metadata"]["generation"] == 1
    assert scaled["metadata"]["generation"] == 2
    assert scaled["spec"]["replicas"] == 3


def test_selector_of_a_deployment_is_immutable(world: World) -> None:
    world.cluster.create(world.deployments, deployment("web", world.namespace))
    patch = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    with pytest.raises(Invalid) as caught:
        world.cluster.patch(world.deployments, world.ref("web", "Deployment"), patch)
    assert caught.value.status == 422


def test_apply_of_anothers_field_conflicts_unless_forced(world: World) -> None:
    ref, mine = world.ref("one"), config_map("one", world.namespace)
    world.cluster.patch(world.maps, ref, mine, kind="apply", manager="first")
    theirs = {**mine, "data": {"a": "2"}}
    with pytest.raises(Conflict) as caught:
        world.cluster.patch(world.maps, ref, theirs, kind="apply", manager="second")
    assert caught.value.causes == (("first", ".data.a"),)
    forced = world.cluster.patch(world.maps, ref, theirs, kind="apply", manager="second", force=True)
    assert forced["data"] == {"a": "2"}


def test_apply_removes_what_the_manager_no_longer_wants(world: World) -> None:
    ref, wanted = world.ref("one"), config_map("one", world.namespace)
    world.cluster.patch(world.maps, ref, {**wanted, "data": {"a": "1", "b": "2"}}, kind="apply", manager="first")
    left = world.cluster.patch(world.maps, ref, wanted, kind="apply", manager="first")
    assert left["data"] == {"a": "1"}


def test_managed_fields_name_the_managers_and_an_entry_can_be_dropped(world: World) -> None:
    world.map("one")
    patched = world.cluster.patch(world.maps, world.ref("one"), {"data": {"z": "1"}}, manager="helm-safe")
    entries = patched["metadata"]["managedFields"]
    place = next(i for i, entry in enumerate(entries) if entry["manager"] == "helm-safe")
    assert dig(entries[place], "fieldsV1", "f:data", "f:z") == {}
    steps = [
        {"op": "test", "path": f"/metadata/managedFields/{place}/manager", "value": "helm-safe"},
        {"op": "remove", "path": f"/metadata/managedFields/{place}"},
    ]
    cleaned = world.cluster.patch(world.maps, world.ref("one"), steps, kind="json")
    left = cleaned["metadata"].get("managedFields", [])
    assert "helm-safe" not in [entry["manager"] for entry in left]
    assert cleaned["data"] == {"a": "1", "z": "1"}


def test_dry_run_tells_creation_change_refusal_and_conflict_apart(world: World) -> None:
    wanted = deployment("web", world.namespace)
    dry_run = world.cluster.dry_run
    assert dry_run(world.deployments, wanted, manager="helm", force=False).status == 201
    assert world.cluster.get(world.deployments, world.namespace, "web") is None
    world.cluster.patch(world.deployments, world.ref("web", "Deployment"), wanted, kind="apply", manager="other")
    assert dry_run(world.deployments, wanted, manager="helm", force=False).status == 200
    moved = deployment("web", world.namespace, selector={"matchLabels": {"app": "new"}})
    refused = dry_run(world.deployments, moved, manager="helm", force=True)
    assert (refused.status, refused.accepted) == (422, False)
    changed = deployment("web", world.namespace)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2"
    conflict = dry_run(world.deployments, changed, manager="helm", force=False)
    assert conflict.status == 409
    assert [manager for manager, _ in conflict.conflicts] == ["other"]
    assert dry_run(world.deployments, changed, manager="helm", force=True).status == 200


def test_delete_says_whether_there_was_something_to_delete(world: World) -> None:
    world.map("one")
    assert world.cluster.delete(world.maps, world.ref("one")) is True
    assert world.cluster.delete(world.maps, world.ref("one")) is False


def test_delete_by_another_uid_leaves_the_object(world: World) -> None:
    world.map("one")
    assert world.cluster.delete(world.maps, world.ref("one"), uid="00000000-0000-0000-0000-000000000000") is False
    assert world.cluster.get(world.maps, world.namespace, "one") is not None


def test_finalizer_keeps_a_deleted_object_until_it_goes(world: World) -> None:
    world.map("one")
    world.cluster.patch(world.maps, world.ref("one"), {"metadata": {"finalizers": ["example.com/hold"]}})
    assert world.cluster.delete(world.maps, world.ref("one")) is True
    held = world.cluster.get(world.maps, world.namespace, "one")
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    world.cluster.patch(world.maps, world.ref("one"), {"metadata": {"finalizers": None}})
    assert world.cluster.get(world.maps, world.namespace, "one") is None


def test_watch_tells_what_happened_since_the_list(world: World) -> None:
    world.map("before")
    since = world.cluster.list(world.maps, world.namespace).resource_version
    world.map("one")
    world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "2"}})
    world.cluster.delete(world.maps, world.ref("one"))
    seen = []
    watch = world.cluster.watch(world.maps, world.namespace, since=since, seconds=5, fields="metadata.name=one")
    for kind, obj in watch:
        if kind != "BOOKMARK":
            seen.append((kind, obj["metadata"]["name"]))
        if kind == "DELETED":
            break
    assert seen == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]


def names(view: Following) -> list[str]:
    return sorted(name for obj in view.items() if (name := obj["metadata"]["name"]) in ("one", "two"))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)


def test_followed_objects_are_those_of_now(world: World) -> None:
    """Additions, changes and deletions are seen by themselves; what was written before a refresh is seen at once."""
    world.map("one", tier="web")
    with world.cluster.follow(world.maps, world.namespace) as view:
        assert names(view) == ["one"]
        world.map("two", tier="db")
        until(lambda: names(view) == ["one", "two"])
        world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "2"}}, manager="somebody")
        view.refresh()
        one = next(obj for obj in view.items() if obj["metadata"]["name"] == "one")
        assert (one["data"], one["kind"], one["apiVersion"]) == ({"a": "2"}, "ConfigMap", "v1")
        world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "3"}}, manager="somebody")
        until(lambda: {"a": "3"} in [obj["data"] for obj in view.items()])
        assert all("managedFields" not in obj["metadata"] for obj in view.items())
        world.cluster.delete(world.maps, world.ref("two"))
        until(lambda: names(view) == ["one"])
        assert view.age() < 10
        assert not view.refused


def test_only_what_is_selected_and_kept_is_followed(world: World) -> None:
    def keep(obj: Object) -> Object | None:
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace")}
        return None if dig(obj, "data", "a") == "0" else {"metadata": metadata}

    world.map("one", tier="web")
    with world.cluster.follow(world.maps, world.namespace, labels="tier=web", keep=keep) as view:
        assert view.items() == [{"metadata": {"name": "one", "namespace": world.namespace}}]
        world.map("two", tier="web")
        world.map("three", tier="db")
        until(lambda: names(view) == ["one", "two"])
        world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "0"}})
        until(lambda: names(view) == ["two"])
        world.cluster.patch(world.maps, world.ref("two"), {"metadata": {"labels": {"tier": "db"}}})
        until(lambda: view.items() == [])


def test_a_closed_view_leaves_nothing_behind(world: World) -> None:
    before = threading.active_count()
    views = [world.cluster.follow(kind, world.namespace) for kind in (world.maps, world.deployments)]
    for view in views:
        view.close()
    assert threading.active_count() == before


def test_a_pod_that_is_not_there_has_no_log(world: World) -> None:
    assert world.cluster.logs(world.namespace, "nobody", "main") == ""
    assert world.cluster.logs(world.namespace, "nobody", "main", since=10.0) == ""


def test_access_review(world: World) -> None:
    assert world.cluster.allowed("list", world.deployments, world.namespace) is True


def test_the_clock_is_that_of_the_server(world: World) -> None:
    assert abs(world.cluster.now() - datetime.now(timezone.utc)) < timedelta(minutes=5)


@pytest.mark.parametrize("name", ["", "..", "a/b", "../../secrets/x"])
def test_names_cannot_change_the_request(world: World, name: str) -> None:
    world.map("one")
    with pytest.raises(Invalid):
        world.cluster.get(world.maps, world.namespace, name)
    with pytest.raises(Invalid):
        world.cluster.delete(world.maps, world.ref(name))
    assert world.cluster.get(world.maps, world.namespace, "one") is not None


def test_a_fence_stops_every_write_and_no_reading(world: World) -> None:
    lock = FakeLock()
    fenced = world.cluster.fenced(lock.check)
    fenced.create(world.maps, config_map("one", world.namespace))
    lock.lost = True
    with pytest.raises(LostLease):
        fenced.create(world.maps, config_map("two", world.namespace))
    with pytest.raises(LostLease):
        fenced.patch(world.maps, world.ref("one"), {"data": {"a": "2"}})
    with pytest.raises(LostLease):
        fenced.delete(world.maps, world.ref("one"))
    assert fenced.dry_run(world.maps, config_map("two", world.namespace), manager="test", force=False).status == 201
    assert [item["data"] for item in fenced.list(world.maps, world.namespace, fields="metadata.name=one").items] == [
        {"a": "1"}
    ]
    world.cluster.patch(world.maps, world.ref("one"), {"data": {"a": "3"}})
