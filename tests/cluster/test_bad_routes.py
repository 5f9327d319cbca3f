"""What stands between a release and a staged rollback: found before anything is touched, or everything is put back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Done, Stage
from tests.cluster.troubled import STANDBY, STRATEGIES, assert_plain, policy_file

pytestmark = pytest.mark.cluster
OWN: Object = {"name": RELEASE, "port": 80}
CRASHES, NEVER_READY, GOOD = "2", "3", "1"
GATEWAY_API = "gateway.networking.k8s.io/v1"


@pytest.fixture(scope="module")
def stage(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Revision 4 is live and good, and so is 1; 2 crashes, 3 never gets ready."""
    made = Stage(sandbox, 4, f"test-{uuid.uuid4().hex[:8]}")
    made.env["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    for tag, pods in (("1-good", 2), ("1-crash", None), ("1-cold-600", None), ("2-good", 2)):
        made.deploy(tag, "autoscaling.minReplicas=2", pods=pods)
    yield made
    made.kubectl("delete", "namespace", made.namespace, "--wait=false")


@pytest.fixture
def blind(tmp_path: Path) -> tuple[str, ...]:
    """Flags of a run without users, whose gateway has no numbers."""
    strategy = STRATEGIES["standby"]
    return "--accept", "GATE-001=no users in this test", *policy_file(strategy.policy, tmp_path)


def state(stage: Stage) -> Any:
    """What a run must leave alone, and what it must not leave behind."""
    kinds = "deployments,services,httproutes,horizontalpodautoscalers"
    items = json.loads(stage.kubectl("get", kinds, "-o", "json").stdout)["items"]
    return [(each["kind"], each["metadata"]["name"], each["spec"]) for each in items], len(stage.history())


@contextmanager
def there(stage: Stage, *objects: Object) -> Iterator[None]:
    """These objects, as somebody made them, for the time of the block; namespaced ones beside the release."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    stage.call("kubectl", "apply", "-f", "-", feed=text)
    try:
        time.sleep(2)  # until the gateway has its say
        yield
    finally:
        stage.call("kubectl", "delete", "--ignore-not-found", "-f", "-", feed=text)


@contextmanager
def altered(stage: Stage, kind: str, operation: Object) -> Iterator[None]:
    """The release's object of that kind with one JSON patch operation, for the time of the block."""
    shown = stage.kubectl("get", kind, RELEASE, "--show-managed-fields", "-o", "json").stdout
    before = json.loads(shown)

    def write(operation: Object) -> None:
        stage.kubectl("patch", kind, RELEASE, "--type=json", "-p", json.dumps([operation]))

    write(operation)
    try:
        yield
    finally:
        write({"op": "replace", "path": "/spec", "value": before["spec"]})
        # Without this kubectl would own the fields, and Helm's server-side apply would stop at them.
        write({"op": "replace", "path": "/metadata/managedFields", "value": before["metadata"]["managedFields"]})


def thing(stage: Stage, api: str, kind: str, name: str, **body: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": stage.namespace}, **body}


def route(stage: Stage, name: str, *backends: Object, namespace: str = "") -> Object:
    parent = {"name": "sandbox", "namespace": "sandbox-gateway"}
    spec = {"parentRefs": [parent], "hostnames": [f"{name}.{stage.namespace}.example"]}
    made = thing(stage, GATEWAY_API, "HTTPRoute", name, spec={**spec, "rules": [{"backendRefs": list(backends)}]})
    made["metadata"]["namespace"] = namespace or stage.namespace
    return made


def deployment(stage: Stage, name: str, **labels: str) -> Object:
    pod = {"containers": [{"name": "app", "image": "sandbox/other:1-good", "ports": [{"containerPort": 8080}]}]}
    asked = {"helm-safe.dev/warmup-path": "/"}
    template = {"metadata": {"labels": labels, "annotations": asked}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return thing(stage, "apps/v1", "Deployment", name, spec=spec)


def service(stage: Stage, name: str) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return thing(stage, "v1", "Service", name, spec=spec)


def assert_said(done: Done, code: int, *words: str) -> None:
    assert_plain(done)
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert all(each in told for each in words), told


def twice(stage: Stage) -> Object:
    return route(stage, "twice", OWN, {**OWN, "weight": 2})


def no_weight(stage: Stage) -> Object:
    return route(stage, "moved", {**OWN, "weight": 0}, {"name": f"{RELEASE}-other", "port": 80})


def not_granted(stage: Stage) -> Object:
    return route(stage, "far", OWN, {"name": "traefik-metrics", "namespace": "sandbox-gateway", "port": 9100})


def foreign(stage: Stage) -> Object:
    return route(stage, stage.namespace, {**OWN, "namespace": stage.namespace}, namespace="default")


def quota(stage: Stage) -> Object:
    return thing(stage, "v1", "ResourceQuota", "tight", spec={"hard": {"pods": "3"}})


def shared(stage: Stage) -> Object:
    labels = {"app.kubernetes.io/name": RELEASE, "app.kubernetes.io/instance": RELEASE, "tier": "extra"}
    return deployment(stage, "extra", **labels)


def taken(stage: Stage) -> Object:
    return deployment(stage, f"{RELEASE}-standby", app="somebody")


CASES: dict[str, tuple[Callable[[Stage], Object], str, tuple[str, ...]]] = {
    "a Service twice in a rule": (twice, "TRAFFIC-002", (f"rule 0 names the Service {RELEASE} 2 times",)),
    "a weight of 0": (no_weight, "TRAFFIC-002", (f"rule 0 gives the Service {RELEASE} a weight of 0",)),
    "no ReferenceGrant": (not_granted, "TRAFFIC-002", ("HTTPRoute/far", "RefNotPermitted", "ReferenceGrant")),
    "a route of another namespace": (foreign, "TRAFFIC-002", ("it lies in namespace default", "is not moved")),
    "a quota": (quota, "CAP-001", ("ResourceQuota/tight", "pods 2 of 3 is used", "for the standby")),
    "two workloads": (shared, "STBY-001", ("several workloads", f"Deployment/{RELEASE}, Deployment/extra")),
    "a name that is taken": (taken, "STBY-006", (f"Deployment/{RELEASE}-standby is there already and is not ours",)),
}


@pytest.mark.parametrize("case", CASES)
def test_it_blocks_and_nothing_is_touched(stage: Stage, blind: tuple[str, ...], case: str) -> None:
    make, check, words = CASES[case]
    with there(stage, make(stage)):
        before = state(stage)
        done = stage.safe(RELEASE, GOOD, "--yes", "--bake", "1s", *blind, fails=True)
        assert state(stage) == before
    assert_said(done, 3, *words)
    assert f"is blocked by {check};" in done.stderr


@pytest.mark.parametrize("steps", ["0,200", "50,10", "abc"])
def test_steps_that_are_none(stage: Stage, steps: str) -> None:
    done = stage.safe("plan", RELEASE, GOOD, "--steps", steps, fails=True)
    assert_said(done, 2, f"--steps: '{steps}' cannot be used", "such as in ")


@pytest.mark.parametrize("verb", ["pause", "promote", "resume", "abort"])
def test_nothing_runs(stage: Stage, namespace: str, verb: str) -> None:
    """Neither for a release that never had a run nor for one that does not exist."""
    stranger = Stage(stage.sandbox, 4, namespace)
    done = stranger.safe(verb, RELEASE, fails=True)
    assert_said(done, 2, f"no run is under way for release {RELEASE} in {namespace}", "helm safe-rollback plan")


def test_a_route_that_is_not_there(stage: Stage) -> None:
    done = stage.safe("plan", RELEASE, GOOD, "--route", "HTTPRoute/nobody", fails=True)
    assert_said(done, 2, "--route HTTPRoute/nobody", f"Known: HTTPRoute/{RELEASE}.")


@pytest.mark.parametrize(
    ("kind", "operation", "why", "instead"),
    [
        (
            "httproute",
            {"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": "elsewhere"},
            "",
            ("replicas", "users come by a Service that no route names, so the share is the ratio of its ready pods"),
        ),
        (
            "service",
            {"op": "remove", "path": "/spec/selector"},
            f" (Service/{RELEASE} has a route and no selector)",
            ("native", ""),
        ),
    ],
    ids=["no route", "no selector"],
)
def test_no_route_can_be_moved(
    stage: Stage, blind: tuple[str, ...], kind: str, operation: Object, why: str, instead: tuple[str, str]
) -> None:
    """`auto` takes another strategy and says why, `standby` refuses and says why."""
    why = f"Deployment/{RELEASE}: no route of its namespace sends users to it{why}"
    with altered(stage, kind, operation):
        planned = json.loads(stage.safe("plan", RELEASE, GOOD, "-o", "json", *blind, fails=True).stdout)
        asked = stage.safe("plan", RELEASE, GOOD, "--strategy", "standby", *blind, fails=True)
        isolated = stage.safe("isolate", RELEASE, "--yes", fails=True)
    strategy, reason = instead
    assert planned["strategy"] == strategy
    assert planned["why"] == (reason or f"{why}, so no share of users can be moved in steps")
    assert_said(asked, 2, f"--strategy standby: {why}", "Leave --strategy away, or take native.")
    words = "no other Service stands" if kind == "service" else "Routes of these kinds can be moved: ApisixRoute,"
    assert_said(isolated, 2, words)


def test_nowhere_to_isolate_to(stage: Stage) -> None:
    """No other backend, one without pods, one that is too small: each is said, and nobody is moved."""
    alone = stage.safe("isolate", RELEASE, "--yes", fails=True)
    assert_said(alone, 2, f"no other Service stands beside Service/{RELEASE} in every rule of HTTPRoute/{RELEASE}")
    nobody = stage.safe("isolate", RELEASE, "--yes", "--to", "nobody", fails=True)
    assert_said(nobody, 2, f"Service/nobody does not stand beside Service/{RELEASE}")
    backend = {"op": "add", "path": "/spec/rules/0/backendRefs/-", "value": {"name": "other", "port": 80, "weight": 0}}
    with there(stage, service(stage, "other")), altered(stage, "httproute", backend):
        before = state(stage)
        empty = stage.safe("isolate", RELEASE, "--yes", fails=True)
        assert_said(empty, 2, "Service/other has no ready pods of its own")
        with there(stage, deployment(stage, "other", app="other")):
            stage.kubectl("rollout", "status", "deployment/other", "--timeout=60s")
            strange = stage.safe("isolate", RELEASE, "--yes", fails=True)
            small = stage.safe("isolate", RELEASE, "--yes", "--to", "other", fails=True)
        assert state(stage) == before
    assert_said(strange, 2, "Service/other runs other software than the release (sandbox/other:1-good)")
    assert_said(small, 3, "Service/other has too few ready pods to carry all users: 1, while 2 serve now")


@pytest.mark.parametrize(
    ("target", "timeout", "words"),
    [
        (CRASHES, "60s", "the standby does not come up: Pod/checkout-api-standby-"),
        (CRASHES, "10s", "0/2 ready; Pod/checkout-api-standby-"),
        (NEVER_READY, "15s", "the standby was not up in time: Deployment/checkout-api-standby: 0/2 ready"),
    ],
    ids=["crashes", "crashes and time is short", "is never ready"],
)
def test_a_standby_that_does_not_come_up(
    stage: Stage, blind: tuple[str, ...], target: str, timeout: str, words: str
) -> None:
    """It stops before COMMIT, and everything is as it was."""
    before = state(stage)
    asked = (RELEASE, target, "--yes", "--bake", "1s", "--strategy", "standby", "--timeout", timeout, *blind)
    done = stage.safe(*asked, fails=True)
    assert_said(done, 1, words, "stopped before the release was touched", "Everything is as it was")
    assert state(stage) == before
    assert stage.kubectl("get", "all", "-l", STANDBY, "-o", "name").stdout == ""


@pytest.mark.dataplane
@pytest.mark.timeout(240)
def test_a_target_that_is_bad_too(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Both revisions fail two of five requests: the first gate stops the run and says that a rollback does not help."""
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path)
    stage.deploy("1-broken-40", "autoscaling.minReplicas=2", pods=2)
    stage.deploy("2-broken-40", "autoscaling.minReplicas=2", pods=2)
    stage.await_route()
    before = state(stage)
    with stage.load(rate=40):
        time.sleep(4)
        asked = (RELEASE, "1", "--yes", "--strategy", "standby", "--steps", "50,100", "--bake", "10s")
        done = stage.safe(*asked, fails=True)
    assert_said(
        done, 1, "at 50 %", "a rollback does not help", "users are at the weights of before", "both revisions share"
    )
    assert "100 % of the users to the standby" not in done.stdout.partition("begins")[2]
    assert state(stage)[0] == before[0]


def test_two_routes_move_together_and_other_backends_keep_their_share(
    sandbox: Sandbox, namespace: str, tmp_path: Path, blind: tuple[str, ...]
) -> None:
    """Weights that do not sum to 100 stay in proportion; a stop in between puts both routes back exactly."""
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path)
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    stage.deploy("2-good", "autoscaling.minReplicas=1", pods=1)
    third = {"name": "other", "port": 80, "weight": 2}
    two = route(stage, "second", {**OWN, "weight": 5}, third)
    with there(stage, service(stage, "other"), deployment(stage, "other", app="other"), two):
        before = state(stage)
        seen: list[tuple[Any, ...]] = []
        asked = (RELEASE, "1", "--yes", "--strategy", "standby", "--steps", "50,100", "--bake", "1h", *blind)
        command = [sys.executable, "-m", "helm_safe", *asked, "-n", namespace]
        with subprocess.Popen(command, env=stage.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and len(seen) < 2:
                seen = [each for each in (weights(stage, name) for name in (RELEASE, "second")) if len(each) > 1]
                seen = [each for each in seen if f"{RELEASE}-standby" in dict(each)]
                time.sleep(0.5)
            aborted = stage.safe("abort", RELEASE, fails=True)
            run.communicate(timeout=60)
        assert aborted.returncode == 0, aborted.stderr
        assert seen == [
            ((RELEASE, 50), (f"{RELEASE}-standby", 50)),
            ((RELEASE, 250), ("other", 200), (f"{RELEASE}-standby", 250)),  # 5 + 2 of before
        ]
        assert state(stage) == before


def weights(stage: Stage, name: str) -> tuple[Any, ...]:
    spec = json.loads(stage.kubectl("get", "httproute", name, "-o", "json").stdout)["spec"]
    return tuple((each["name"], each["weight"]) for each in spec["rules"][0]["backendRefs"])
