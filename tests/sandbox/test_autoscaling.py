"""Autoscalers of the sandbox really act, and a hold stops them: what a staged rollback relies on."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

import pytest

from helm_safe.core.objects import Object, ObjectRef, mapping
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.metrics.kubernetes import KubernetesQueries
from helm_safe.model.holds import captured, foreign, held, hold, holders, restore
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage

pytestmark = pytest.mark.cluster
LEAST = "autoscaling.minReplicas=2"
HPA = f"hpa/{RELEASE}"
COSTLY = "podAnnotations.sandbox\\.helm-safe\\.dev/cpu-per-request=100ms"


@pytest.fixture
def stage(sandbox: Sandbox, namespace: str) -> Stage:
    """The demo chart with two pods, as its autoscaler wants it when nobody asks for anything."""
    made = Stage(sandbox, 4, namespace)
    made.deploy("1-good", LEAST, pods=2)
    return made


def hpa(stage: Stage) -> Object:
    return dict(json.loads(stage.kubectl("get", HPA, "-o", "json").stdout))


def patched(stage: Stage, patch: Object | None) -> Object:
    assert patch is not None
    stage.kubectl("patch", HPA, "--type=merge", "-p", json.dumps(patch))
    return hpa(stage)


def stated(obj: Object) -> Object:
    """What a user wrote: without what the server counts and observes."""
    metadata = {key: mapping(obj, "metadata").get(key) for key in ("name", "labels", "annotations", "ownerReferences")}
    return {"metadata": metadata, "spec": obj["spec"]}


def replicas(stage: Stage) -> int:
    return stage.standing().replicas


def seconds_until(stage: Stage, count: int, patience: float) -> float:
    began = time.monotonic()
    while replicas(stage) != count:
        waited = time.monotonic() - began
        assert waited < patience, f"{replicas(stage)} replicas after {waited:.0f} s: {json.dumps(hpa(stage)['status'])}"
        time.sleep(0.5)
    return time.monotonic() - began


def test_pods_and_nodes_say_what_they_use(stage: Stage) -> None:
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{stage.namespace}/pods"
    listed = json.loads(stage.kubectl("get", "--raw", path).stdout)
    assert (listed["kind"], listed["apiVersion"], len(listed["items"])) == (
        "PodMetricsList",
        "metrics.k8s.io/v1beta1",
        2,
    )
    one = listed["items"][0]
    assert [each["name"] for each in one["containers"]] == ["app"]
    name = one["metadata"]["name"]
    assert json.loads(stage.kubectl("get", "--raw", f"{path}/{name}").stdout)["metadata"]["name"] == name
    label = f"?labelSelector=app.kubernetes.io%2Finstance%21%3D{RELEASE}"
    assert json.loads(stage.kubectl("get", "--raw", path + label).stdout)["items"] == []
    assert "NotFound" in stage.kubectl("get", "--raw", f"{path}/absent", fails=True).stderr
    assert "sandbox-node" in stage.kubectl("top", "nodes").stdout
    rows = stage.kubectl("top", "pods", "--no-headers").stdout.splitlines()
    assert [row.split()[0].rsplit("-", 2)[0] for row in rows] == [RELEASE] * 2
    cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(stage.sandbox.kubeconfig)})
    clock = SystemClock()
    query = f"memory namespace={stage.namespace} deployment={RELEASE} over=sum"
    (found,) = KubernetesQueries(cluster, clock).series(query, clock.now() - timedelta(minutes=2), clock.now())
    cluster.close()
    assert found.value > 0


def test_an_idle_workload_is_shrunk_unless_its_autoscaler_is_held(stage: Stage) -> None:
    stage.kubectl("scale", f"deployment/{RELEASE}", "--replicas=4")
    seconds_until(stage, 2, 40)
    before = hpa(stage)
    (found,) = holders([before], ObjectRef("apps", "Deployment", stage.namespace, RELEASE))
    journaled = captured(found)

    now = patched(stage, hold(found, 4))
    assert held(now, 4)
    seconds_until(stage, 4, 20)
    stage.await_pods(4)
    end = time.monotonic() + 25  # twice as long as the autoscaler would take
    while time.monotonic() < end:
        assert replicas(stage) == 4
        time.sleep(1)

    assert foreign(journaled, now, 4) == ""
    back = patched(stage, restore(journaled, now, 4))
    assert stated(back) == stated(before)
    assert restore(journaled, back, 4) is None
    seconds_until(stage, 2, 40)


def test_a_busy_workload_grows_by_the_requests_that_it_answers(stage: Stage) -> None:
    """20 requests a second at 100 ms of a core each are two cores: with 100m asked for each pod, ten pods at once."""
    stage.deploy("1-good", LEAST, COSTLY, pods=2)
    stage.await_route()
    with stage.load(rate=20, seconds=60):
        seconds_until(stage, 10, 45)
