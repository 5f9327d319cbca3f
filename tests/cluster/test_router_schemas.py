"""Every object that a router writes is taken by the real API server with the definitions of its kind, and put back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, dig, ref_of
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.errors import Conflict
from helm_safe.model.routes import Weight
from helm_safe.model.snapshot import Resource
from helm_safe.sandbox.cluster import Sandbox
from tests.definitions import OWN, published, written
from tests.routers.test_golden import CASES, SHARES, Case

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(sandbox: Sandbox) -> Iterator[KubeCluster]:
    """With all the definitions."""
    items = [*written(), *(each for module in OWN for each in published(module))]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    _kubectl(sandbox, "apply", "--server-side", "--force-conflicts", "-f", "-", feed=document)
    _kubectl(sandbox, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    found = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
    yield found
    found.close()


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_accepted_and_put_back(cluster: KubeCluster, namespace: str, name: str) -> None:
    """As a run does it: captured from what the server gives, each share patched, then restored to the same spec."""
    case, resource, first = Case(name), *_created(cluster, namespace, name)
    ref, captured = ref_of(first), case.router.capture(first)
    for share in SHARES:
        live = _get(cluster, resource, first)
        patch = case.router.patch(captured, live, case.pairs, Weight(share))
        if patch:
            cluster.patch(resource, ref, patch, kind="json", manager=MANAGED_BY)
        live = _get(cluster, resource, first)
        shown = case.router.share(live, case.pairs)
        assert shown
        assert shown.canary == pytest.approx(share, abs=case.router.least / 2)
        assert case.router.foreign(captured, live, case.pairs, [Weight(share)]) is None
    live = _get(cluster, resource, first)
    cluster.patch(resource, ref, case.router.restore(captured, live), kind="json", manager=MANAGED_BY)
    assert _said(_get(cluster, resource, first)) == _said(first)


@pytest.mark.parametrize("name", ["gateway-api", "istio-hosts", "ingress-nginx", "traefik-service", "alb"])
def test_a_write_between_read_and_write_is_a_conflict(cluster: KubeCluster, namespace: str, name: str) -> None:
    """The API server refuses the patch as a whole: nothing of it is written over another's edit."""
    case, resource, first = Case(name), *_created(cluster, namespace, name)
    late = case.router.patch(case.router.capture(first), first, case.pairs, Weight(50))
    cluster.patch(resource, ref_of(first), {"metadata": {"labels": {"edited": "yes"}}}, manager="somebody")
    with pytest.raises(Conflict):
        cluster.patch(resource, ref_of(first), late, kind="json", manager=MANAGED_BY)
    assert case.router.share(_get(cluster, resource, first), case.pairs) != Weight(50)


def _kubectl(sandbox: Sandbox, *words: str, feed: str = "") -> None:
    command = ["kubectl", *words]
    env = {**os.environ, **sandbox.env()}
    done = subprocess.run(command, env=env, input=feed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _created(cluster: KubeCluster, namespace: str, name: str) -> tuple[Resource, Object]:
    obj: Any = deepcopy(Case(name).start)
    text = json.dumps(obj).replace('"namespace": "shop"', f'"namespace": "{namespace}"')
    obj = json.loads(text.replace("_shop_svc_", f"_{namespace}_svc_").replace(".shop.svc", f".{namespace}.svc"))
    obj["metadata"].pop("resourceVersion", None)
    resource = cluster.served().of(obj)
    assert resource
    return resource, cluster.create(resource, obj)


def _get(cluster: KubeCluster, resource: Resource, obj: Object) -> Object:
    ref = ref_of(obj)
    found = cluster.get(resource, ref.namespace, ref.name)
    assert found
    return found


def _said(obj: Object) -> Any:
    return {"spec": obj["spec"], "annotations": dig(obj, "metadata", "annotations")}
