"""The agent beside a real control plane: what kubectl and other pods see of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid

import pytest

pytestmark = pytest.mark.cluster

_GET = """
import sys, urllib.error, urllib.request
for _ in range(int(sys.argv[2])):
    try:
        print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError:
        print("refused")
"""


class Cluster:
    """kubectl in a namespace of its own, and requests from inside the sandbox's network."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.namespace = f"agent-{uuid.uuid4().hex[:8]}"
        self.environment = dict(sandbox.env()) if hasattr(sandbox, "env") else dict(os.environ)

    def kubectl(self, *words, given=None, fails=False):
        command = ["kubectl", "--kubeconfig", str(self.sandbox.kubeconfig), "-n", self.namespace, *words]
        data = json.dumps(given) if given else None
        run = {"capture_output": True, "text": True, "timeout": 90, "env": self.environment}
        done = subprocess.run(command, check=False, input=data, **run)
        assert fails or done.returncode == 0, done.stderr
        return done.stderr if fails else done.stdout

    def pod(self, name, image="shop/api:1", *, annotations=None, spec=None, **container):
        prefixed = {f"sandbox.helm-safe.dev/{key}": value for key, value in (annotations or {}).items()}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": prefixed}}
        body["spec"] = {"containers": [{"name": "app", "image": image, **container}], **(spec or {})}
        self.kubectl("create", "-f", "-", given=body)
        return name

    def status(self, name):
        return json.loads(self.kubectl("get", "pod", name, "-o", "json"))["status"]

    def until(self, name, wanted, seconds=30):
        """The first status of a pod that is as wanted."""
        end = time.monotonic() + seconds
        while True:
            status = self.status(name)
            if wanted(status):
                return status
            assert time.monotonic() < end, json.dumps(status, indent=1)
            time.sleep(0.2)

    def requests(self, address, count=1, path="/pay", port=8080):
        """Status codes of requests sent one after the other."""
        command = [sys.executable, "-c", _GET, f"http://{address}:{port}{path}", str(count)]
        done = subprocess.run(self.sandbox.inside(command), check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


def ready(status):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def waiting(reason):
    def check(status):
        return any(
            each["state"].get("waiting", {}).get("reason") == reason for each in status.get("containerStatuses", [])
        )

    return check


@pytest.fixture
def cluster(sandbox):
    found = Cluster(sandbox)
    found.kubectl("create", "namespace", found.namespace)
    yield found
    found.kubectl("delete", "namespace", found.namespace, "--wait=false")


def test_a_pod_is_ready_and_answers_on_its_own_address(cluster):
    cluster.pod("one", readinessProbe={"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1})
    status = cluster.until("one", ready)
    assert status["phase"] == "Running"
    assert cluster.requests(status["podIP"]) == ["200"]
    told = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{cluster.namespace}/pods/one:8080/proxy/hello")
    assert json.loads(told)["pod"] == "one"
    cluster.kubectl("delete", "pod", "one")
    assert cluster.requests(status["podIP"]) == ["refused"]


def failures_once_ready(cluster, name, **probes):
    cluster.pod(name, image="shop/api:1-cold-6", **probes)
    status = cluster.until(name, ready)
    return [code for code in cluster.requests(status["podIP"], 3) if code != "200"]


def test_a_startup_probe_keeps_users_from_a_cold_pod_and_a_polite_one_does_not(cluster):
    polite = {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}}
    bouncer = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 30}
    assert len(failures_once_ready(cluster, "polite", **polite)) > 0
    assert failures_once_ready(cluster, "strict", startupProbe=bouncer, **polite) == []


def test_logs_of_this_run_and_of_the_one_before(cluster):
    cluster.pod("crashing", annotations={"role": "crash", "log-line": "version one", "restart-backoff": "60"})
    cluster.until("crashing", waiting("CrashLoopBackOff"))
    assert "FATAL" in cluster.kubectl("logs", "crashing", "--previous")
    last = cluster.kubectl("logs", "crashing", "--tail=1", "--timestamps")
    assert re.match(r"20\d\d-\d\d-\d\dT[\d:.]+Z FATAL", last)
    assert len(cluster.kubectl("logs", "crashing", "--limit-bytes=10")) == 10
    assert cluster.kubectl("logs", "crashing", "--since-time=2999-01-01T00:00:00Z") == ""
    assert "version one" in cluster.kubectl("logs", "crashing", "--follow")


def test_logs_that_are_not_there_are_refused_in_the_kubelets_words(cluster):
    cluster.pod("waiting", envFrom=[{"secretRef": {"name": "nope"}}])
    cluster.until("waiting", waiting("CreateContainerConfigError"))
    assert "is waiting to start: CreateContainerConfigError" in cluster.kubectl("logs", "waiting", fails=True)
    cluster.pod("fresh")
    cluster.until("fresh", ready)
    assert "previous terminated container" in cluster.kubectl("logs", "fresh", "--previous", fails=True)


def test_port_forward(cluster):
    cluster.pod("target")
    cluster.until("target", ready)
    command = ["kubectl", "--kubeconfig", str(cluster.sandbox.kubeconfig), "-n", cluster.namespace]
    command += ["port-forward", "pod/target", ":8080"]
    with subprocess.Popen(
        cluster.sandbox.inside(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=cluster.environment,
    ) as forward:
        try:
            line = forward.stdout.readline()
            assert line.startswith("Forwarding from"), forward.stderr.read()
            port = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])
            assert cluster.requests("127.0.0.1", 5, port=port) == ["200"] * 5
        finally:
            forward.terminate()


def test_a_liveness_failure_restarts_and_is_told(cluster):
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    cluster.pod("sick", annotations={"ready-after": "1h"}, livenessProbe=probe)
    cluster.until("sick", lambda status: status.get("containerStatuses", [{}])[0].get("restartCount"))
    time.sleep(1)
    told = cluster.kubectl("get", "events", "--field-selector", "involvedObject.name=sick")
    assert "Liveness probe failed: HTTP probe failed with statuscode: 503" in told
    assert "Container app failed liveness probe, will be restarted" in told


def test_a_pod_that_drains_answers_until_its_grace_is_over(cluster):
    hook = {"preStop": {"sleep": {"seconds": 1}}}
    cluster.pod("draining", annotations={"shutdown-seconds": "2"}, lifecycle=hook)
    status = cluster.until("draining", ready)
    cluster.kubectl("delete", "pod", "draining", "--wait=false")
    time.sleep(1.5)
    assert cluster.requests(status["podIP"]) == ["200"]
    cluster.kubectl("wait", "--for=delete", "pod/draining", "--timeout=10s")
    assert cluster.requests(status["podIP"]) == ["refused"]


def test_a_job_completes_and_a_failing_one_fails(cluster):
    def job(name, image):
        container = {"name": "migrate", "image": image}
        template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
        spec = {"backoffLimit": 0, "template": template}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
        cluster.kubectl("create", "-f", "-", given=body)

    job("good", "shop/api:1")
    job("bad", "shop/api:1-crash")
    cluster.kubectl("wait", "--for=condition=Complete", "job/good", "--timeout=20s")
    cluster.kubectl("wait", "--for=condition=Failed", "job/bad", "--timeout=20s")


def test_a_deleted_node_comes_back(cluster):
    name = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    uid = cluster.kubectl("get", "node", name, "-o", "jsonpath={.metadata.uid}")
    cluster.kubectl("delete", "node", name)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        now = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.uid}")
        if now and now != uid:
            break
        time.sleep(0.3)
    cluster.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=10s")
