"""Warm-up requests: done when a pod answers fast and without errors, and three-valued."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object, name_of
from helm_safe.journal.clock import SystemClock
from helm_safe.model.asking import Proxied
from helm_safe.model.errors import Forbidden
from helm_safe.model.machine import Verdict
from helm_safe.model.targets import PATH_ANNOTATION, Target, sidecar_of, target_of
from helm_safe.rollback.warmup import BUDGET, Warmed, WarmUp, warm_up
from tests.fakes.cluster import FakeCluster, Fault
from tests.fakes.runs import FakeClock
from tests.rollback.scenes import begin, charted

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
    found, clock = warmed(server)
    assert found.verdict is Verdict.PASS
    assert server.asked == [("GET", "/ready")] * 60
    assert clock.passed == pytest.approx(59 / 20), "20 requests a second"


def test_a_cold_pod_is_asked_until_it_is_fast_and_steady() -> None:
    """The first 40 answers take a second: the first user must not meet them."""
    server = Server(lambda n: said(seconds=1.0 if n <= 40 else 0.02))
    found, _ = warmed(server)
    assert found.verdict is Verdict.PASS
    assert 40 + 30 <= len(server.asked) <= 40 + 60


def test_a_pod_that_fails_at_first_is_waited_for_patiently() -> None:
    """A refused connection comes back at once: such pods are asked four times a second, and it counts as an error."""
    server = Server(lambda n: said(0, body=b"connection refused") if n <= 24 else said())
    found, clock = warmed(server)
    assert found.verdict is Verdict.PASS
    assert found.numbers["errors"] == 24
    assert 6 <= clock.passed < 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: said(500 if n % 50 == 0 else 200), "failed"),
        (lambda _: said(seconds=2.0), "p95 is still 2.00 s"),
    ],
)
def test_a_pod_that_never_settles_fails(answer: Callable[[int], Proxied], words: str) -> None:
    found, _ = warmed(Server(answer), WarmUp(most=100))
    assert found.verdict is Verdict.FAIL
    assert words in found.sentence


def test_a_pod_that_goes_on_getting_faster_is_not_called_warm() -> None:
    """It is quick enough and fails nobody: that is no reason to stop, and none to call it settled."""
    found, _ = warmed(Server(lambda n: said(seconds=0.4 * 0.99**n)), WarmUp(most=100))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "still gets faster after 100 requests" in found.sentence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: said(0, body=b"tls: first record does not look like a TLS handshake"), "TLS handshake"),
        (lambda _: said(404), "answers 404 only"),
    ],
)
def test_what_cannot_be_judged_is_inconclusive(answer: Callable[[int], Proxied], words: str) -> None:
    found, _ = warmed(Server(answer), WarmUp(most=80))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert words in found.sentence


def test_without_permission_it_is_inconclusive_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    cluster.faults.append(Fault("proxied", Forbidden("may not get pods/proxy", status=403), times=-1))
    found = warm_up(cluster, clock, [pod()], WarmUp())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "may not get pods/proxy" in found.sentence
    assert clock.passed < 1


def test_no_pods_and_mute_pods_are_inconclusive() -> None:
    for pods in ([], [pod(image="redis", **PORTS)]):
        assert warm_up(FakeCluster(), FakeClock(), pods, WarmUp()).verdict is Verdict.INCONCLUSIVE


def test_switched_off_it_asks_nothing_and_proves_nothing() -> None:
    found, _ = warmed(server := Server(lambda _: said()), WarmUp(least=0))
    assert (found.verdict, server.asked) == (Verdict.INCONCLUSIVE, [])
    assert "switched off (warm-up.least: 0)" in found.sentence


def test_time_is_bounded() -> None:
    """A pod that stays away is given up after the timeout, not after all requests."""
    server = Server(lambda n: said(0, body=b"connection refused") if n > 1 else said(503))
    found, clock = warmed(server, WarmUp(timeout=30, most=10**5))
    assert found.verdict is Verdict.FAIL
    assert clock.passed == 30


def test_it_can_be_stopped() -> None:
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = server = Server(lambda _: said())
    found = warm_up(cluster, FakeClock(), [pod()], WarmUp(), stop=lambda: len(server.asked) >= 8)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert 8 <= len(server.asked) <= 16


def test_a_plan_without_warm_up_says_so(tmp_path: Path) -> None:
    plan = begin(charted(tmp_path, "ssa"), **{"warm-up.least": "0"}).plan
    titles = [step.title for step in plan.steps if step.id in ("ready", "warm")]
    assert len(titles) == 2
    assert all("do not warm" in title and "warm-up.least: 0" in title for title in titles)


# --- bounds ---


def test_the_requests_under_way_are_bounded_over_all_pods() -> None:
    """On the real clock: a waiting thread does not move a clock that jumps."""
    cluster, server = FakeCluster(), Server(lambda _: said())
    server.hold = 0.1
    pods = [pod(f"api-{number}") for number in range(7)]
    cluster.servers.update({("shop", name_of(each)): server for each in pods})
    found = warm_up(cluster, SystemClock(), pods, WarmUp(concurrency=4, least=6))
    assert found.verdict is Verdict.PASS
    assert found.numbers["requests"] >= 7 * 6
    assert server.most == 4


def test_fifty_pods_take_no_more_than_the_budget_of_the_api_server() -> None:
    server = Server(lambda _: said())
    found, clock = warmed(server, WarmUp(), *(pod(f"api-{number}") for number in range(50)))
    assert found.verdict is Verdict.PASS
    assert len(server.asked) == 50 * 60
    assert clock.passed == pytest.approx(50 * 60 / BUDGET, rel=0.01)


def test_one_pod_that_hangs_does_not_hold_the_others_up() -> None:
    """It takes one of the ways at a time; the others are warm long before it answers."""
    others, cluster, late = Server(lambda _: said()), FakeCluster(), threading.Event()

    def hanging(*_: str) -> Proxied:
        if not late.is_set():
            deadline = time.monotonic() + 60
            while len(others.asked) < 2 * 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            late.set()
            seen.append(len(others.asked))
        return said()

    seen: list[int] = []
    cluster.servers["shop", "api-0"] = hanging
    cluster.servers["shop", "api-1"] = cluster.servers["shop", "api-2"] = others
    wanted = WarmUp(rate=100, least=20, concurrency=3)
    found = warm_up(cluster, SystemClock(), [pod(f"api-{number}") for number in range(3)], wanted)
    assert found.verdict is Verdict.PASS
    assert min(seen) >= 2 * 20


def test_one_cold_pod_of_many_fails_the_gate() -> None:
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = Server(lambda _: said())
    cluster.servers["shop", "api-2"] = Server(lambda _: said(500))
    found = warm_up(cluster, FakeClock(), [pod(), pod("api-2")], WarmUp(most=80))
    assert found.verdict is Verdict.FAIL
    assert "api-2" in found.sentence


# --- ways ---

RESET = b"error trying to reach service: read tcp: connection reset by peer"


def meshed(sidecar: str = "istio-proxy", kind: str = "containers") -> Object:
    found = pod()
    found["spec"].setdefault(kind, []).append({"name": sidecar})
    return found


def through(sidecar: Object, outside: Proxied, wanted: WarmUp = DEFAULTS) -> tuple[Warmed, FakeCluster]:
    """A pod that answers `outside` to the proxy, and well inside of its own network."""
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = Server(lambda _: outside)
    cluster.inside["shop", "api-1"] = Server(lambda _: said())
    return warm_up(cluster, FakeClock(), [sidecar], wanted), cluster


@pytest.mark.parametrize(
    ("sidecar", "outside"),
    [
        (meshed(), said(0, body=RESET)),
        (meshed("linkerd-proxy"), Proxied(403, {"l5d-proxy-error": "unauthorized connection"}, b"", 0.01)),
        (meshed("istio-proxy", "initContainers"), said(403, body=b"RBAC: access denied")),
    ],
)
def test_behind_a_strict_mesh_the_port_is_forwarded(sidecar: Object, outside: Proxied) -> None:
    found, cluster = through(sidecar, outside)
    assert found.verdict is Verdict.PASS
    assert "through port-forward" in found.sentence
    assert sum(verb == "proxied" for verb, _ in cluster.reads) <= 8, "three refusals are enough"


@pytest.mark.parametrize(("one", "via"), [(pod(), "auto"), (meshed(), "proxy")])
def test_nothing_is_forwarded_without_a_mesh_or_against_the_policy(one: Object, via: str) -> None:
    found, cluster = through(one, said(0, body=RESET), WarmUp(via=via, most=80))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "connection reset" in found.sentence
    assert not [verb for verb, _ in cluster.reads if verb == "forwarded"]


def test_in_a_mesh_that_lets_the_proxy_in_nothing_is_forwarded() -> None:
    found, cluster = through(meshed(), said())
    assert found.verdict is Verdict.PASS
    assert not [verb for verb, _ in cluster.reads if verb == "forwarded"]


def test_when_neither_way_leads_in_both_reasons_are_told() -> None:
    cluster = FakeCluster()
    cluster.servers["shop", "api-1"] = Server(lambda _: said(0, body=RESET))
    cluster.fail("forwarded", Forbidden("may not create pods/portforward", status=403), times=-1)
    found = warm_up(cluster, FakeClock(), [meshed()], WarmUp())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "connection reset" in found.sentence
    assert "may not create pods/portforward" in found.sentence


@pytest.mark.parametrize(
    "wanted", [WarmUp(via="port-forward"), WarmUp(headers={"Authorization": "Bearer $SHOP_TOKEN"})]
)
def test_the_callers_headers_never_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch, wanted: WarmUp) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2")
    found, cluster = through(pod(), said(), wanted)
    assert found.verdict is Verdict.PASS
    assert {verb for verb, _ in cluster.reads} == {"forwarded"}
    assert "hunter2" not in repr(found)


# --- where a pod is asked ---

ISTIO = {
    "name": "istio-proxy",
    "env": [
        {
            "name": "ISTIO_KUBE_APP_PROBERS",
            "value": '{"/app-health/app/readyz": {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}}}',
        }
    ],
    "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
}
REWRITTEN = {"readinessProbe": {"httpGet": {"path": "/app-health/app/readyz", "port": 15020}}}


def injected(*containers: Object) -> Object:
    return {"metadata": {"name": "api-1", "namespace": "shop"}, "spec": {"containers": list(containers)}}


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
        (injected(ISTIO, {"name": "app", **REWRITTEN}), "/orders", Target("api-1", 8080, "/orders")),
        (injected({"name": "app", **REWRITTEN}, ISTIO), "", Target("api-1", 8080, "/ready")),
        (injected({"name": "istio-proxy", "ports": [{"containerPort": 15090}]}, {"name": "app", **PORTS}), "/o",
         Target("api-1", 8080, "/o")),
        (injected({**ISTIO, "env": [{"name": "ISTIO_KUBE_APP_PROBERS", "value": "[odd"}]}, {"name": "app", **PROBE, **PORTS}),
         "", Target("api-1", 8080, "/ready")),
    ],
)  # fmt: skip
def test_where_a_pod_is_asked(given: Object, path: str, wanted: Target | None) -> None:
    """The path asked for, the annotation, the readiness probe, the startup probe; never a sidecar."""
    assert target_of(given, path) == wanted


def test_a_sidecar_is_told_by_its_name() -> None:
    assert [sidecar_of(each) for each in (pod(), meshed(), meshed("linkerd-proxy", "initContainers"), {})] == [
        "",
        "istio-proxy",
        "linkerd-proxy",
        "",
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get"])
def test_only_methods_without_effects(method: str) -> None:
    with pytest.raises(ValueError, match="GET, HEAD"):
        WarmUp(method=method)
    assert method == "get" or WarmUp(method=method, unsafe_methods="allow").method == method
