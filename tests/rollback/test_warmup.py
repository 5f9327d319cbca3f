"""Warm-up requests: done when a pod answers fast and without errors, and three-valued."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.model.errors import Forbidden
from helm_safe.model.machine import Verdict
from helm_safe.ports import Proxied
from helm_safe.rollback.warmup import PATH_ANNOTATION, Target, Warmed, WarmUp, target_of, warm_up
from tests.fakes.cluster import FakeCluster, Fault
from tests.fakes.runs import FakeClock

DEFAULTS = WarmUp()
PROBE = {"readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}}
PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}


def pod(name: str = "api-1", *, annotations: dict[str, str] | None = None, **container: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations or {}},
        "spec": {"containers": [{"name": "app", **(container or {**PROBE, **PORTS})}]},
    }


def said(status: int = 200, seconds: float = 0.01, body: bytes = b"ok") -> Proxied:
    return Proxied(status, {}, body, seconds)


class Server:
    """A pod that answers its n-th request by `answer(n)`; remembers what it was asked and how many at once."""

    def __init__(self, answer: Callable[[int], Proxied]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.busy = self.most = 0
        self.hold = 0.0

    def __call__(self, method: str, path: str) -> Proxied:
        with self.lock:
            self.asked.append((method, path))
            number = len(self.asked)
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(self.hold)
        with self.lock:
            self.busy -= 1
        return self.answer(number)


def warmed(server: Server, wanted: WarmUp = DEFAULTS, *pods: Object) -> tuple[Warmed, FakeClock]:
    cluster, clock = FakeCluster(), FakeClock()
    for each in pods or (pod(),):
        cluster.servers["shop", each["metadata"]["name"]] = server
    return warm_up(cluster, clock, pods or (pod(),), wanted), clock


def test_a_warm_pod_is_asked_the_least() -> None:
    server = Server(lambda _: said())
    found, _ = warmed(server)
    assert found.verdict is Verdict.PASS
    assert server.asked == [("GET", "/ready")] * 20


def test_a_cold_pod_is_asked_until_it_is_fast() -> None:
    """The first 40 answers take a second: the first user must not meet them."""
    server = Server(lambda n: said(seconds=1.0 if n <= 40 else 0.02))
    found, _ = warmed(server)
    assert found.verdict is Verdict.PASS
    assert 50 <= len(server.asked) <= 53


def test_a_pod_that_fails_at_first_is_waited_for_patiently() -> None:
    """A refused connection comes back at once: rounds are paced, and count as errors."""
    server = Server(lambda n: said(0, body=b"connection refused") if n <= 24 else said())
    found, clock = warmed(server)
    assert found.verdict is Verdict.PASS
    assert found.numbers["errors"] == 24
    assert clock.passed >= 6


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: said(500 if n % 5 == 0 else 200), "failed"),
        (lambda _: said(seconds=2.0), "up to 2.00 s"),
    ],
)
def test_a_pod_that_never_settles_fails(answer: Callable[[int], Proxied], words: str) -> None:
    found, _ = warmed(Server(answer), WarmUp(most=60))
    assert found.verdict is Verdict.FAIL
    assert words in found.sentence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: said(0, body=b"tls: first record does not look like a TLS handshake"), "TLS handshake"),
        (lambda _: said(404), "answers 404 only"),
    ],
)
def test_what_cannot_be_judged_is_inconclusive(answer: Callable[[int], Proxied], words: str) -> None:
    found, _ = warmed(Server(answer), WarmUp(most=40))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert words in found.sentence


def test_without_permission_it_is_inconclusive() -> None:
    cluster = FakeCluster()
    cluster.faults.append(Fault("proxied", Forbidden("may not get pods/proxy", status=403), times=-1))
    found = warm_up(cluster, FakeClock(), [pod()], WarmUp(most=20))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "may not get pods/proxy" in found.sentence


def test_no_pods_and_mute_pods_are_inconclusive() -> None:
    for pods in ([], [pod(image="redis", **PORTS)]):
        assert warm_up(FakeCluster(), FakeClock(), pods, WarmUp()).verdict is Verdict.INCONCLUSIVE


def test_time_is_bounded() -> None:
    """A pod that stays away is given up after the timeout, not after all requests."""
    server = Server(lambda n: said(0, body=b"connection refused") if n > 1 else said(503))
    found, clock = warmed(server, WarmUp(timeout=30, most=10**6))
    assert found.verdict is Verdict.FAIL
    assert clock.passed == 30


def test_it_can_be_stopped() -> None:
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = server = Server(lambda _: said())
    found = warm_up(cluster, FakeClock(), [pod()], WarmUp(), stop=lambda: len(server.asked) >= 8)
    assert (found.verdict, len(server.asked)) == (Verdict.INCONCLUSIVE, 8)


def test_every_pod_is_warmed_and_four_requests_are_under_way_at_most() -> None:
    server = Server(lambda _: said())
    server.hold = 0.002
    found, _ = warmed(server, WarmUp(), *(pod(f"api-{number}") for number in range(7)))
    assert found.verdict is Verdict.PASS
    assert found.numbers["requests"] >= 7 * 20
    assert 1 < server.most <= 4


def test_one_cold_pod_of_many_fails_the_gate() -> None:
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = Server(lambda _: said())
    cluster.servers["shop", "api-2"] = Server(lambda _: said(500))
    found = warm_up(cluster, FakeClock(), [pod(), pod("api-2")], WarmUp(most=40))
    assert found.verdict is Verdict.FAIL
    assert "api-2" in found.sentence


@pytest.mark.parametrize(
    ("given", "path", "wanted"),
    [
        (pod(), "", Target("api-1", 8080, "/ready")),
        (pod(), "/orders", Target("api-1", 8080, "/orders")),
        (pod(annotations={PATH_ANNOTATION: "/warm"}, **PROBE, **PORTS), "", Target("api-1", 8080, "/warm")),
        (pod(startupProbe={"httpGet": {"port": 81, "scheme": "HTTPS"}}), "", Target("https:api-1", 81, "/")),
        (pod(**PORTS), "/orders", Target("api-1", 8080, "/orders")),
        (pod(**PORTS), "", None),
        (pod(readinessProbe={"httpGet": {"port": "absent"}}), "", None),
        ({"metadata": {"name": "api-1"}, "spec": {"containers": "odd"}}, "", None),
    ],
)
def test_where_a_pod_is_asked(given: Object, path: str, wanted: Target | None) -> None:
    """The path asked for, the annotation, the readiness probe, the startup probe."""
    assert target_of(given, path) == wanted


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get"])
def test_only_methods_without_effects(method: str) -> None:
    with pytest.raises(ValueError, match="GET or HEAD"):
        WarmUp(method=method)
