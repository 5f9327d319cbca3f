"""Real requests through the gateway while releases are rolled back, with Helm 3 and with Helm 4."""

from __future__ import annotations

import json
import time

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import between, serving, summarize
from helm_safe.sandbox.demo.stage import Stage

pytestmark = pytest.mark.dataplane
GOOD, BROKEN, RELEASE = "1-cold-4", "2-broken-40", "checkout-api"
POLICY = "{apiVersion: helm-safe.dev/v1alpha1, kind: RollbackPolicy, spec: {gates: {minimum-requests: 10}}}"


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def stage(request: pytest.FixtureRequest, sandbox: Sandbox, namespace: str) -> Stage:
    """Revision 1 good, revision 2 broken behind green probes; the namespace's policy believes few requests."""
    made = Stage(sandbox, request.param, namespace)
    made.kubectl("create", "configmap", "helm-safe-policy", f"--from-literal=helm-safe.yaml={POLICY}")
    made.deploy(GOOD)
    made.deploy(BROKEN)
    made.await_route()
    return made


def leftovers(stage: Stage) -> list[str]:
    """Objects of ours that a finished run leaves."""
    words = ("get", "all,secrets,configmaps,leases", "-l", "app.kubernetes.io/managed-by=helm-safe", "-o", "json")
    found = json.loads(stage.kubectl(*words).stdout)["items"]
    return sorted(f"{each['kind']} {each['metadata']['labels'].get('helm-safe.dev/role')}" for each in found)


def assert_restored(stage: Stage, revision: int) -> None:
    standing = stage.standing()
    assert (standing.revision, standing.status) == (revision, "deployed")
    assert (standing.replicas, standing.ready) == (4, 4)
    deployed = [row for row in stage.history() if row["status"] == "deployed"]
    assert len(deployed) == 1
    manifest = stage.helm("get", "manifest", RELEASE).stdout
    assert manifest == stage.helm("get", "manifest", RELEASE, "--revision", "1").stdout
    assert leftovers(stage) == ["Lease lease", "Secret journal"]
    lease = json.loads(stage.kubectl("get", "lease", f"helm-safe.{RELEASE}", "-o", "json").stdout)
    assert not lease["spec"].get("holderIdentity")


@pytest.mark.matrix(1)
def test_a_broken_release_is_rolled_back_under_load(stage: Stage) -> None:
    """The users' errors end, revision 1 answers, the pods are as many as before."""
    with stage.load(rate=40) as load:
        time.sleep(4)
        done = stage.safe(RELEASE, "1", "--yes", "--bake", "8s", fails=True)
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(6)
    seen = load.requests()
    begin, end = seen[0].at, seen[-1].at
    before = summarize(between(seen, begin, begin + 4), 1.0)
    after = summarize(between(seen, end - 6, end + 1), 1.0)
    assert before.share is not None
    assert before.share > 0.2, "the broken revision did not fail: this test would prove nothing"
    assert after.total > 200
    assert after.share == 0
    assert set(serving(between(seen, end - 6, end + 1))) == {GOOD}
    assert_restored(stage, 3)


def test_pods_that_were_scaled_away_come_back(stage: Stage) -> None:
    """After `kubectl scale --replicas=0` helm leaves zero pods; the safe rollback restores four."""
    stage.kubectl("scale", f"deployment/{RELEASE}", "--replicas=0")
    done = stage.safe(RELEASE, "1", "--yes", "--bake", "2s", fails=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_restored(stage, 3)


@pytest.mark.matrix(1)
def test_a_stale_pending_record_is_repaired(stage: Stage) -> None:
    """helm killed in the middle leaves a record that blocks upgrades; the run goes through the deployed revision."""
    stage.helm("rollback", RELEASE, "1", "--no-hooks")
    name = f"sh.helm.release.v1.{RELEASE}.v3"
    change_record(stage, name, lambda record: record["info"].update(status="pending-rollback"), "pending-rollback")
    change_record(
        stage, f"sh.helm.release.v1.{RELEASE}.v2", lambda record: record["info"].update(status="deployed"), "deployed"
    )
    set_age(stage, name, "2020-01-02T03:04:05Z")
    done = stage.safe(RELEASE, "1", "--yes", "--bake", "2s", fails=True)
    assert done.returncode == 0, done.stdout + done.stderr
    standing = stage.standing()
    assert (standing.status, standing.ready) == ("deployed", 4)
    manifest = stage.helm("get", "manifest", RELEASE).stdout
    assert manifest == stage.helm("get", "manifest", RELEASE, "--revision", "1").stdout
    assert [row["status"] for row in stage.history()].count("deployed") == 1


def test_without_a_revision_the_proven_one_is_proposed(stage: Stage) -> None:
    """1 served past known-good-after, 2 and 3 were replaced sooner: 1 is proposed."""
    stage.deploy("3-broken-40", pods=None)
    for number, moment in ((1, "2026-01-01T00:00:00Z"), (2, "2026-01-01T09:00:00Z"), (3, "2026-01-01T09:05:00Z")):
        set_age(stage, f"sh.helm.release.v1.{RELEASE}.v{number}", moment)
    stage.deploy("4-broken-40", pods=None)
    set_age(stage, f"sh.helm.release.v1.{RELEASE}.v4", "2026-01-01T09:10:00Z")
    done = stage.safe("plan", RELEASE, "-o", "json", fails=True)
    body = json.loads(done.stdout)
    assert (body["proposed"], body["target"]) == (True, 1)


def set_age(stage: Stage, name: str, moment: str) -> None:
    """Let a record say that it was deployed at `moment`."""
    change_record(stage, name, lambda record: record["info"].update(last_deployed=moment), "")


def change_record(stage: Stage, name: str, change: object, status: str) -> None:
    import base64
    import gzip

    secret = json.loads(stage.kubectl("get", "secret", name, "-o", "json").stdout)
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    change(record)  # type: ignore[operator]
    payload = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    patch: dict[str, object] = {"data": {"release": payload}}
    if status:
        patch["metadata"] = {"labels": {"status": status}}
    stage.kubectl("patch", "secret", name, "-p", json.dumps(patch))


@pytest.mark.parametrize("startup", [False, True], ids=["polite", "startupProbe"])
def test_probes_decide_when_a_cold_pod_meets_users(sandbox: Sandbox, namespace: str, startup: bool) -> None:
    """A JVM-like pod with a polite readiness probe fails users while it is cold; one with a startupProbe does not."""
    made = Stage(sandbox, 4, namespace)
    probes = ["probes.readinessPath=/healthz", f"probes.startup={str(startup).lower()}"]
    made.deploy("1", *probes)
    made.await_route()
    with made.load(rate=40) as load:
        time.sleep(2)
        made.deploy("2-cold-6", *probes)
        time.sleep(8)
    seen = summarize(load.requests(), 1.0)
    assert seen.total > 300
    if startup:
        assert seen.failed == 0
    else:
        assert seen.failed > 0
