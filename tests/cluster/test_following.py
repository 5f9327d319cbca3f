"""Followed objects of the real API server through a proxy that cuts, refuses and forgets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.resources import CONFIG_MAPS, EVENTS
from helm_safe.ports import Following
from helm_safe.sandbox.cluster import Sandbox
from tests.faultproxy import FaultProxy

pytestmark = pytest.mark.cluster
WATCHES = r"configmaps\?.*watch=true"


def a_map(name: str, namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


@contextmanager
def through(proxy: FaultProxy) -> Iterator[KubeCluster]:
    cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(proxy.kubeconfig)})
    yield cluster
    cluster.close()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def has(view: Following, name: str) -> bool:
    return name in [obj["metadata"]["name"] for obj in view.items()]


def test_a_view_survives_cuts_refusals_and_a_lost_past(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Each fault costs a moment and nothing else; what happened meanwhile is in the view afterwards."""
    beside = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
    with (
        FaultProxy(sandbox.kubeconfig, tmp_path).running() as proxy,
        through(proxy) as cluster,
        cluster.follow(CONFIG_MAPS, namespace) as view,
    ):
        for fault in ("410", "429", "500", "reset-before"):
            order = proxy.order(fault, "GET", WATCHES)
            proxy.down(0.1)
            beside.create(CONFIG_MAPS, a_map(f"during-{fault}", namespace))
            assert order.hit.wait(20), fault
            until(lambda name=f"during-{fault}": has(view, name))  # type: ignore[misc]
        beside.delete(CONFIG_MAPS, ObjectRef("", "ConfigMap", namespace, "during-410"))
        until(lambda: not has(view, "during-410"))
        assert not view.refused
    beside.close()


def test_where_the_watch_is_refused_lists_do(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    with FaultProxy(sandbox.kubeconfig, tmp_path).running() as proxy, through(proxy) as cluster:
        proxy.order("403", "GET", WATCHES, times=1000)
        with cluster.follow(CONFIG_MAPS, namespace) as view:
            until(lambda: view.refused)
            cluster.create(CONFIG_MAPS, a_map("one", namespace))
            until(lambda: has(view, "one"))
        assert sum("watch=true" in each.path for each in proxy.seen) == 1


def test_a_quiet_view_stays_young(sandbox: Sandbox, namespace: str) -> None:
    """Nothing happens for longer than one watch lasts: bookmarks or its orderly end are the sign of life.

    Events come without bookmarks: the API server has no watch cache for them.
    """
    cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
    with cluster.follow(CONFIG_MAPS, namespace) as maps, cluster.follow(EVENTS, namespace) as events:
        end, oldest = time.monotonic() + 26, 0.0
        while time.monotonic() < end:
            time.sleep(0.2)
            oldest = max(oldest, maps.age(), events.age())
        assert 15 < oldest < 22
        assert cluster.client.calls["GET", "/api/v1/namespaces/{namespace}/configmaps"] == 1
        assert cluster.client.calls["GET", "/api/v1/namespaces/{namespace}/configmaps?watch"] <= 3
    cluster.close()
