"""Writes behind a fence, through real sockets: what lost its Lease between two tries sends nothing more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.kube.client import Client
from helm_safe.kube.cluster import KubeCluster
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.errors import LostLease
from helm_safe.ports import Cluster
from tests.fakes.runs import FakeLock
from tests.kube.faultserver import MAPS, World, fault_server

REF = ObjectRef("", "ConfigMap", "default", "one")
VERBS = ("POST", "PATCH", "DELETE")


@pytest.fixture
def world() -> Iterator[World]:
    with fault_server() as server:
        yield server


@pytest.fixture
def lock() -> FakeLock:
    return FakeLock()


@pytest.fixture
def cluster(world: World, lock: FakeLock) -> Iterator[Cluster]:
    """The Lease is lost in the pause between two tries."""

    def pause(_seconds: float) -> None:
        lock.lost = True

    made = KubeCluster(Client(Connection(world.url, "default", "test", "the test", Credentials), sleep=pause))
    made.get(MAPS, "default", "one")
    world.seen.clear()
    yield made.fenced(lock.check)
    made.close()


def prepare(world: World, verb: str) -> None:
    if verb != "POST":
        obj = body()
        obj["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        world.store.put(obj)


def body() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one", "namespace": "default"},
        "data": {"a": "1"},
    }


def write(cluster: Cluster, verb: str) -> object:
    if verb == "POST":
        return cluster.create(MAPS, body())
    if verb == "PATCH":
        return cluster.patch(MAPS, REF, {"data": {"b": "2"}})
    return cluster.delete(MAPS, REF)


@pytest.mark.parametrize("verb", VERBS)
def test_a_lost_lock_stops_the_first_sending(world: World, lock: FakeLock, cluster: Cluster, verb: str) -> None:
    prepare(world, verb)
    lock.lost = True
    with pytest.raises(LostLease):
        write(cluster, verb)
    assert world.seen == []
    assert cluster.get(MAPS, "default", "one") is not None or verb == "POST", "reading needs no lock"


@pytest.mark.parametrize("fault", ["429", "503", "500", "504", "reset", "garbage"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_lock_lost_between_two_tries_stops_the_next(world: World, cluster: Cluster, verb: str, fault: str) -> None:
    """Whether the server surely did not act (429) or the answer was lost: reading goes on, writing does not."""
    prepare(world, verb)
    world.order(verb, fault)
    with pytest.raises(LostLease):
        write(cluster, verb)
    assert world.count(verb) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_write_that_did_happen_is_still_told(world: World, lock: FakeLock, cluster: Cluster, verb: str) -> None:
    """Reading settles the lost answer; nothing has to be sent again, so nothing is refused."""
    prepare(world, verb)
    world.order(verb, "reset", applied=True)
    assert write(cluster, verb)
    assert lock.lost
    assert world.count(verb) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_new_credentials_do_not_climb_the_fence(world: World, lock: FakeLock, verb: str) -> None:
    """The same request with a fresh token is a sending of its own."""

    def credentials() -> Credentials:
        lock.lost = bool(world.seen)  # read at the start, and again after the 401
        return Credentials("Bearer token")

    made = KubeCluster(Client(Connection(world.url, "default", "test", "the test", credentials)))
    prepare(world, verb)
    world.order(verb, "401")
    with pytest.raises(LostLease):
        write(made.fenced(lock.check), verb)
    assert world.count(verb) == 1
