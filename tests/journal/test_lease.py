"""The Lease: who may write, judged by a clock that nobody else's delay can stretch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helm_safe.core.objects import Object
from helm_safe.journal.lease import DURATION, HOLDS, Lease, current_holder
from helm_safe.model.errors import Blocked, ClusterError, LostLease
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import RELEASE, FakeClock


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lease(cluster: FakeCluster, clock: FakeClock) -> Iterator[Lease]:
    made = Lease(cluster, RELEASE, "first", clock)
    made.acquire()
    yield made
    made.release()


def take_over(cluster: FakeCluster) -> None:
    """Another machine takes the Lease, by a clock of its own; not even an attempt to write may follow."""
    taker = Lease(cluster, RELEASE, "second", FakeClock())
    taker.acquire()
    taker._stop.set()  # only its claim is needed, not its renewals

    def write(*_: object, **__: object) -> Object:
        raise AssertionError("a process without its Lease tried to write")

    cluster.create = cluster.patch = write  # type: ignore[method-assign]


def test_a_holder_that_stood_still_finds_the_other_and_writes_nothing(
    cluster: FakeCluster, clock: FakeClock, lease: Lease
) -> None:
    """Not even a renewal or a farewell: a process that was suspended reads before it writes."""
    take_over(cluster)
    clock.sleep(DURATION + 1)
    for _ in range(2):
        with pytest.raises(LostLease, match="second took over the Lease of release checkout-api"):
            lease.check()
    lease.release()
    holder = current_holder(cluster, RELEASE)
    assert holder
    assert (holder.identity, holder.epoch) == ("second", 2)


def test_a_renewal_after_standing_still_reads_first(cluster: FakeCluster, clock: FakeClock, lease: Lease) -> None:
    """The background thread wakes like any other part of the process."""
    take_over(cluster)
    clock.sleep(DURATION + 1)
    lease._renew()
    with pytest.raises(LostLease):
        lease.check()


def test_an_overdue_lease_that_nobody_took_is_renewed(cluster: FakeCluster, clock: FakeClock, lease: Lease) -> None:
    """An API server that was away for a minute does not end a run."""
    clock.sleep(60)
    lease.check()
    assert cluster.writes[-1][0] == "patch"
    held = len(cluster.writes)
    clock.sleep(HOLDS)
    lease.check()
    assert len(cluster.writes) == held, "a Lease in time is not written by a check"


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_without_an_answer_nobody_may_write(cluster: FakeCluster, clock: FakeClock, lease: Lease, verb: str) -> None:
    """Whether it is ours cannot be known, so it is not; once the server answers it can be."""
    clock.sleep(HOLDS + 0.1)
    cluster.fail(verb, ClusterError("the API server is away"))
    with pytest.raises(LostLease, match="could not be renewed for 10 s: the API server is away") as caught:
        lease.check()
    assert "helm safe-rollback resume checkout-api -n prod" in caught.value.next_step
    lease.check()


def test_a_slow_renewal_does_not_prolong_the_hold(cluster: FakeCluster, clock: FakeClock, lease: Lease) -> None:
    """The hold counts from the sending: an answer that came late says nothing about now."""
    clock.sleep(HOLDS + 0.1)
    cluster.on_write = lambda _verb, _obj: clock.sleep(DURATION)
    with pytest.raises(LostLease, match="could not be renewed"):
        lease.check()


def test_a_slow_creation_does_not_prolong_the_hold(cluster: FakeCluster, clock: FakeClock) -> None:
    """Stopped between the creation and its answer, then taken over: the first must notice."""
    cluster.on_write = lambda _verb, _obj: clock.sleep(DURATION + 1)
    lease = Lease(cluster, RELEASE, "first", clock)
    lease.acquire()
    cluster.on_write = None
    take_over(cluster)
    with pytest.raises(LostLease, match="second took over"):
        lease.check()
    lease.release()


def test_a_living_holder_is_not_robbed(cluster: FakeCluster, lease: Lease) -> None:
    """The observer's whole wait sees one renewal: refused, and told who holds it."""
    observer = FakeClock()
    real = observer.sleep

    def renewing(seconds: float) -> None:
        real(seconds)
        if observer.monotonic() == DURATION:
            lease._clock.sleep(1)
            lease._renew()

    observer.sleep = renewing  # type: ignore[method-assign]
    with pytest.raises(Blocked, match="first holds it"):
        Lease(cluster, RELEASE, "second", observer).acquire()


def test_the_observer_waits_longer_than_the_holder_holds(cluster: FakeCluster, lease: Lease) -> None:
    """The holder stopped writing five seconds before anybody can take over."""
    assert lease.epoch == 1
    observer = FakeClock()
    taker = Lease(cluster, RELEASE, "second", observer)
    taker.acquire()
    taker._stop.set()
    assert observer.passed >= DURATION >= HOLDS + 5
