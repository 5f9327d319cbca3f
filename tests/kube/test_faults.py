"""Every fault at every verb, through real sockets: reads go on, writes happen at most once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.kube.client import Client
from helm_safe.kube.cluster import KubeCluster
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.errors import ClusterError, Conflict, OutcomeUnknown, Unreachable
from tests.kube.faultserver import MAPS, World, fault_server

REF = ObjectRef("", "ConfigMap", "default", "one")
PASSING = ("429", "500", "502", "503", "504", "reset", "silence", "truncated", "garbage")
"""Faults after which a read is tried again."""
LOST = ("500", "502", "503", "504", "reset", "silence", "truncated", "garbage")
"""Faults that leave open whether a write took effect."""


@pytest.fixture
def world() -> Iterator[World]:
    with fault_server() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def cluster(world: World, slept: list[float], request: pytest.FixtureRequest) -> Iterator[KubeCluster]:
    quiet = "silence" in request.node.name
    connection = Connection(world.url, "default", "test", "the test", Credentials)
    cluster = KubeCluster(Client(connection, sleep=slept.append, silence=1.0 if quiet else 10.0))
    # A server that was reached before is worth waiting for.
    cluster.client.read(cluster_version())
    world.seen.clear()
    yield cluster
    cluster.close()


def cluster_version() -> Any:
    from helm_safe.kube.answers import Call

    return Call("GET", "/version", "/version", "read the version", repeatable=True)


def one(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "default"}, "data": data}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["get", "list"])
def test_reads_are_repeated(world: World, cluster: KubeCluster, slept: list[float], fault: str, verb: str) -> None:
    world.store.put(one(a="1"))
    world.order("GET", fault, times=3)
    if verb == "get":
        found = cluster.get(MAPS, "default", "one")
    else:
        (found,) = cluster.list(MAPS, "default").items
    assert found is not None
    assert found["data"] == {"a": "1"}
    assert (world.count("GET"), len(slept)) == (4, 3)


@pytest.mark.parametrize("fault", PASSING)
def test_reads_give_up_after_ten_tries(world: World, cluster: KubeCluster, fault: str) -> None:
    world.order("GET", fault, times=-1)
    with pytest.raises(ClusterError) as caught:
        cluster.get(MAPS, "default", "one")
    assert world.count("GET") == 10
    assert caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(("fault", "tries"), [("409", 1), ("410", 1), ("422", 1), ("redirect", 1)])
def test_reads_do_not_repeat_a_refusal(world: World, cluster: KubeCluster, fault: str, tries: int) -> None:
    world.order("GET", fault, times=-1)
    with pytest.raises(ClusterError):
        cluster.get(MAPS, "default", "one")
    assert world.count("GET") == tries
    assert ("GET", "/elsewhere") not in world.seen


def test_retry_after_is_honoured(world: World, cluster: KubeCluster, slept: list[float]) -> None:
    world.order("GET", "429", retry_after="7")
    cluster.get(MAPS, "default", "one")
    assert slept == [7.0]


def test_a_wait_beyond_the_budget_is_not_begun(world: World, cluster: KubeCluster, slept: list[float]) -> None:
    world.order("GET", "503", retry_after="3600")
    with pytest.raises(ClusterError):
        cluster.get(MAPS, "default", "one")
    assert slept == []


def test_back_off_is_jittered_and_bounded(world: World, cluster: KubeCluster, slept: list[float]) -> None:
    world.order("GET", "503", times=9)
    cluster.get(MAPS, "default", "one")
    assert len(slept) == 9
    assert all(0 <= seconds <= 10 for seconds in slept)
    assert any(first != second for first, second in pairwise(slept))


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not-applied"])
@pytest.mark.parametrize("kind", ["merge", "strategic", "apply", "json"])
def test_patch_takes_effect_once(world: World, cluster: KubeCluster, fault: str, applied: bool, kind: Any) -> None:
    before = world.store.put(one(a="1"))
    version = before["metadata"]["resourceVersion"]
    bound = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/data/b", "value": "2"},
    ]
    patch: object = bound if kind == "json" else {"data": {"b": "2"}} if kind != "apply" else one(a="1", b="2")
    world.order("PATCH", fault, applied=applied)
    changed = cluster.patch(MAPS, REF, patch, kind=kind, manager="helm-safe")
    assert changed["data"] == {"a": "1", "b": "2"}
    assert world.events("MODIFIED") == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not-applied"])
def test_create_takes_effect_once(world: World, cluster: KubeCluster, fault: str, applied: bool) -> None:
    world.order("POST", fault, applied=applied)
    made = cluster.create(MAPS, one(a="1"))
    assert made["data"] == {"a": "1"}
    assert world.events("ADDED") == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not-applied"])
@pytest.mark.parametrize("by_uid", [True, False], ids=["uid", "name"])
def test_delete_takes_effect_once(world: World, cluster: KubeCluster, fault: str, applied: bool, by_uid: bool) -> None:
    obj = one(a="1")
    obj["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    uid = world.store.put(obj)["metadata"]["uid"]
    world.order("DELETE", fault, applied=applied)
    assert cluster.delete(MAPS, REF, uid=uid if by_uid else "") is True
    assert world.events("DELETED") == 1


@pytest.mark.parametrize(("fault", "after"), [("429", ""), ("429", "1"), ("503", "1")])
@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
def test_writes_the_server_did_not_take_are_sent_again(
    world: World, cluster: KubeCluster, fault: str, after: str, verb: str
) -> None:
    if verb != "POST":
        world.store.put(one(a="1"))
    world.order(verb, fault, times=2, retry_after=after)
    _write(cluster, verb)
    assert world.count(verb) == 3
    assert world.count("GET") == 0


@pytest.mark.parametrize("fault", ["409", "422"])
@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
def test_refused_writes_are_not_repeated(world: World, cluster: KubeCluster, fault: str, verb: str) -> None:
    if verb != "POST":
        world.store.put(one(a="1"))
    world.order(verb, fault, times=-1)
    with pytest.raises(ClusterError) as caught:
        _write(cluster, verb)
    assert caught.value.status == int(fault)
    assert world.count(verb) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
def test_a_write_that_is_never_answered_is_unknown(world: World, cluster: KubeCluster, fault: str, verb: str) -> None:
    """Neither the write nor the reading answers: exit code 4 and the command to look."""
    world.store.put(one(a="1"))
    world.order("*", fault, times=-1)
    with pytest.raises(OutcomeUnknown) as caught:
        _write(cluster, verb)
    assert caught.value.exit_code == 4
    assert "kubectl get configmaps one -n default -o yaml" in caught.value.next_step
    assert world.count(verb) == 1
    assert isinstance(caught.value, ClusterError)


def test_a_server_error_that_stays_is_told_as_such(world: World, cluster: KubeCluster) -> None:
    """Reading shows that nothing happened: no doubt is left, and no sixty seconds are spent."""
    world.store.put(one(a="1"))
    world.order("PATCH", "500", times=-1)
    with pytest.raises(ClusterError) as caught:
        _write(cluster, "PATCH")
    assert (caught.value.status, world.count("PATCH")) == (500, 3)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_lost_patch_overtaken_by_another_writer_is_a_conflict(world: World, cluster: KubeCluster) -> None:
    """Bound to a version, ours may have happened before theirs: the caller must read and decide anew."""
    version = world.store.put(one(a="1"))["metadata"]["resourceVersion"]
    world.order("PATCH", "reset", during=lambda: world.store.put(one(a="theirs")))
    with pytest.raises(Conflict):
        cluster.patch(MAPS, REF, {"metadata": {"resourceVersion": version}, "data": {"a": "ours"}})
    assert world.count("PATCH") == 1
    assert (world.store.find("ConfigMap", "one") or {})["data"] == {"a": "theirs"}


def test_an_append_that_leaves_no_trace_is_never_repeated(world: World, cluster: KubeCluster) -> None:
    obj = one()
    obj["metadata"]["finalizers"] = ["example.com/a"]
    world.store.put(obj)
    world.order("PATCH", "reset", applied=True)
    with pytest.raises(OutcomeUnknown):
        cluster.patch(MAPS, REF, [{"op": "add", "path": "/metadata/finalizers/-", "value": "x.io/b"}], kind="json")
    assert (world.store.find("ConfigMap", "one") or {})["metadata"]["finalizers"] == ["example.com/a", "x.io/b"]


def test_lost_create_under_a_name_of_anothers_object_is_a_conflict(world: World, cluster: KubeCluster) -> None:
    world.order("POST", "reset", during=lambda: world.store.put(one(a="theirs")))
    with pytest.raises(Conflict) as caught:
        cluster.create(MAPS, one(a="ours"))
    assert caught.value.reason == "AlreadyExists"
    assert world.count("POST") == 1


def test_lost_create_is_known_by_the_label_of_the_run(world: World, cluster: KubeCluster) -> None:
    """Whatever admission changed in the content: the run's label tells that the object is ours."""
    ours = one(a="1")
    ours["metadata"]["labels"] = {"helm-safe.dev/run": "r1"}
    changed = {**ours, "data": {"a": "changed by admission"}}
    world.order("POST", "reset", during=lambda: world.store.put(changed))
    assert cluster.create(MAPS, ours)["data"] == {"a": "changed by admission"}
    assert world.count("POST") == 1


def test_lost_delete_does_not_hit_the_successor(world: World, cluster: KubeCluster) -> None:
    """A StatefulSet makes the Pod anew under the same name: the second one must live."""
    obj = one(a="1")
    obj["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    uid = world.store.put(obj)["metadata"]["uid"]
    world.order("DELETE", "reset", applied=True, during=lambda: world.store.put(one(a="successor")))
    assert cluster.delete(MAPS, REF, uid=uid) is True
    assert (world.store.find("ConfigMap", "one") or {})["data"] == {"a": "successor"}
    assert world.count("DELETE") == 1


def test_lost_delete_by_name_with_a_successor_stays_unknown(world: World, cluster: KubeCluster) -> None:
    world.store.put(one(a="1"))
    world.order("DELETE", "reset", applied=True, during=lambda: world.store.put(one(a="successor")))
    with pytest.raises(OutcomeUnknown):
        cluster.delete(MAPS, REF)
    assert world.store.find("ConfigMap", "one") is not None


@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH", "DELETE"])
def test_credentials_are_read_again_once(world: World, verb: str) -> None:
    tokens = iter(["old", "new", "newer"])
    connection = Connection(world.url, "default", "test", "the test", lambda: Credentials(f"Bearer {next(tokens)}"))
    cluster = KubeCluster(Client(connection))
    if verb != "POST":
        world.store.put(one(a="1"))
    world.order(verb, "401")
    _write(cluster, verb)
    assert world.tokens == ["Bearer old", "Bearer new"]


def test_credentials_that_stay_expired_are_named(world: World) -> None:
    connection = Connection(world.url, "default", "prod", 'context "prod"', lambda: Credentials("Bearer secret-token"))
    cluster = KubeCluster(Client(connection))
    world.order("GET", "401", times=-1)
    with pytest.raises(Unreachable) as caught:
        cluster.get(MAPS, "default", "one")
    assert 'context "prod"' in caught.value.message
    assert "expired" in caught.value.message
    assert "secret-token" not in caught.value.message
    assert world.count("GET") == 2


def test_an_address_that_never_answered_shows_at_once(slept: list[float]) -> None:
    connection = Connection("http://127.0.0.1:1", "default", "prod", 'context "prod"', Credentials)
    cluster = KubeCluster(Client(connection, sleep=slept.append))
    with pytest.raises(Unreachable) as caught:
        cluster.delete(MAPS, REF)
    assert len(slept) == 2
    assert "Connection refused" in caught.value.message
    assert caught.value.exit_code == 2


def test_an_expired_list_starts_again_whole(world: World, cluster: KubeCluster, monkeypatch: Any) -> None:
    monkeypatch.setattr("helm_safe.kube.cluster.PAGE", 2)
    for number in range(5):
        obj = one()
        obj["metadata"]["name"] = f"m{number}"
        world.store.put(obj)
    assert len(cluster.list(MAPS, "default").items) == 5
    assert world.count("GET") == 3
    world.seen.clear()
    world.orders.clear()
    world.order("GET", "200-is-next", times=0)
    gone = _second_page_is_gone(world)
    assert len(cluster.list(MAPS, "default").items) == 5
    assert gone == [True]
    assert "limit" not in world.seen[-1][1]


def _second_page_is_gone(world: World) -> list[bool]:
    """410 for the first request that carries a continue token."""
    hit: list[bool] = []
    real = world.store.list

    def listing(*args: Any, **kwargs: Any) -> Any:
        if "continue=" in world.seen[-1][1] and not hit:
            hit.append(True)
            raise Conflict("expired", status=410, reason="Expired")
        return real(*args, **kwargs)

    world.store.list = listing  # type: ignore[method-assign]
    return hit


def test_an_endless_answer_is_cut(world: World, cluster: KubeCluster, monkeypatch: Any) -> None:
    monkeypatch.setattr("helm_safe.kube.client.MAX_BODY", 1000)
    world.store.put(one(a="x" * 5000))
    with pytest.raises(ClusterError, match="more than"):
        cluster.get(MAPS, "default", "one")


def test_calls_are_counted_without_names(world: World, cluster: KubeCluster) -> None:
    cluster.client.calls.clear()
    cluster.get(MAPS, "default", "one")
    cluster.get(MAPS, "default", "two")
    assert dict(cluster.client.calls) == {("GET", "/api/v1/namespaces/{namespace}/configmaps/{name}"): 2}


def _write(cluster: KubeCluster, verb: str) -> object:
    if verb == "GET":
        return cluster.get(MAPS, "default", "one")
    if verb == "POST":
        return cluster.create(MAPS, one(a="1"))
    if verb == "PATCH":
        return cluster.patch(MAPS, REF, {"data": {"b": "2"}})
    return cluster.delete(MAPS, REF)
