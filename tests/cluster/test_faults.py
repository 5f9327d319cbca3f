"""Every fault of an API server at every kind of request of a run: it completes, or stops plainly and can be finished.

By default a seeded sample of the matrix (see tests/sampling.py); all of it with HELM_SAFE_FULL=1.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import ObjectRef
from helm_safe.kube.cluster import KubeCluster
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE
from tests.cluster.troubled import (
    ANYWHERE,
    JOURNAL,
    REACHED,
    STRATEGIES,
    USUAL,
    announces,
    assert_plain,
    ended,
    troubled,
)
from tests.faultproxy import FaultProxy

pytestmark = pytest.mark.cluster
EVERYWHERE = "everywhere"
FAULTS: dict[str, dict[str, Any]] = {
    "401": {},
    "409": {},
    "429": {"retry_after": "1", "times": 2},
    "500": {},
    "503": {"times": 2},
    "504": {},
    "reset-before": {},
    "reset-after": {},
    "silence": {"seconds": 4.0},
}
LONG = {"seconds": 31.0}  # longer than a request is waited for
SEEN_THROUGH = {"401", "429", "500", "503", "504", "reset-before", "reset-after", "silence"}
"""What a run gets over by itself. A 409 says that somebody else wrote: nobody may guess that away."""


def matrix() -> list[Any]:
    """(strategy, point, fault), with readable ids.

    What a run gets over meets it at every point at once, which proves as much as a run for each; what may stop it, and
    the long silence, at one point.
    """
    chosen = []
    for name, strategy in STRATEGIES.items():
        points = {**ANYWHERE, **strategy.points}
        writes = [point for point, (verb, _) in points.items() if verb != "GET"]
        chosen += [(name, EVERYWHERE, fault) for fault in sorted(SEEN_THROUGH)]
        chosen += [(name, point, "409") for point in writes]
        chosen += [(name, "append to the journal", "silence")]
    return [pytest.param(*cell, id=" ".join(cell).replace(" ", "-")) for cell in chosen]


@pytest.mark.matrix(1)
@pytest.mark.parametrize(("name", "point", "fault"), matrix())
def test_a_fault_is_seen_through_or_said(
    sandbox: Sandbox, namespace: str, tmp_path: Path, name: str, point: str, fault: str
) -> None:
    """Whatever happened, the release is restored once in the end, by this run or by what the message says to do."""
    points = {**ANYWHERE, **STRATEGIES[name].points}
    with troubled(sandbox, namespace, name, tmp_path) as world:
        hit = points if point == EVERYWHERE else {point: points[point]}
        details = LONG if fault == "silence" and point != EVERYWHERE else FAULTS[fault]
        orders = {each: world.proxy.order(fault, *hit[each], **details) for each in hit}
        done = world.run()
        missed = [each for each, order in orders.items() if not order.hit.is_set()]
        assert not missed, f"the fault met no such request: this case proves nothing\n{done.stdout}\n{done.stderr}"
        assert_plain(done)
        if fault in SEEN_THROUGH:
            assert done.returncode == 0, done.stderr
        if done.returncode:
            mended = world.go_on()
            assert mended.returncode == 0, mended.stdout + mended.stderr
        world.assert_restored()


def test_the_proxy_lets_everything_else_through(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Events of a watch come when they happen, and what is seen names who wrote what."""
    with FaultProxy(sandbox.kubeconfig, tmp_path).running() as proxy:
        cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(proxy.kubeconfig)})
        maps = cluster.served().preferred("", "ConfigMap")
        assert maps is not None
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}}
        since = cluster.list(maps, namespace).resource_version
        later = threading.Timer(0.5, cluster.create, (maps, body))
        later.start()
        began = time.monotonic()
        kind, obj = next(cluster.watch(maps, namespace, since=since, seconds=30, fields="metadata.name=one"))
        assert (kind, obj["metadata"]["name"]) == ("ADDED", "one")
        assert time.monotonic() - began < 15
        later.join()
        cluster.patch(maps, ObjectRef("", "ConfigMap", namespace, "one"), {"data": {"a": "1"}}, manager="somebody")
        cluster.close()
    assert [(each.verb, each.status, each.manager) for each in proxy.writes()] == [
        ("POST", 201, ""),
        ("PATCH", 200, "somebody"),
    ]
    assert all(each.agent.startswith("helm-safe/") for each in proxy.seen)


@pytest.mark.parametrize("name", USUAL)
def test_an_api_server_that_restarts_in_mid_run(sandbox: Sandbox, namespace: str, tmp_path: Path, name: str) -> None:
    """Connections break and none comes about for ten seconds, right after the native rollback was announced."""
    with troubled(sandbox, namespace, name, tmp_path) as world:
        held = world.proxy.order("hold", "PATCH", JOURNAL, when=announces("rollback"))
        process = world.start_run()
        assert held.hit.wait(REACHED)
        held.let_go.set()
        world.proxy.down(10)
        done = ended(process)
        assert_plain(done)
        if done.returncode:
            mended = world.go_on()
            assert mended.returncode == 0, mended.stdout + mended.stderr
        world.assert_restored()


@pytest.mark.parametrize("name", USUAL)
def test_an_api_server_that_stays_away(sandbox: Sandbox, namespace: str, tmp_path: Path, name: str) -> None:
    """Lost contact in mid-run is exit 4 and says how to go on: the release is not untouched any more."""
    with troubled(sandbox, namespace, name, tmp_path) as world:
        held = world.proxy.order("hold", "PATCH", JOURNAL, when=announces("verify"))
        process = world.start_run()
        assert held.hit.wait(REACHED)
        held.let_go.set()
        world.proxy.down(300)
        done = ended(process)
        assert_plain(done)
        assert done.returncode == 4, done.stderr
        assert f"helm safe-rollback status {RELEASE}" in done.stderr or "resume" in done.stderr
        mended = world.go_on()
        assert mended.returncode == 0, mended.stdout + mended.stderr
        world.assert_restored()
