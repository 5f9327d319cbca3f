"""`--in-cluster`: a real process with the token of the printed ServiceAccount alone carries the run out."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.cluster.guarded import container, start, two_revisions, with_token
from tests.cluster.test_watchdog import specs, until

pytestmark = pytest.mark.cluster
RUNNER = f"helm-safe-runner-{RELEASE}"
IMAGE = ("--image", "example/helm-safe:1")
OURS = "job,serviceaccount,role,rolebinding,configmap"


def staged(sandbox: Sandbox, major: int, namespace: str, folder: Path) -> tuple[Stage, tuple[str, ...]]:
    """The stage, and the flags of a run without users."""
    stage, blind = two_revisions(sandbox, major, namespace, folder, pods=1)
    return stage, ("--steps", "50,100", "--bake", "1s", *blind)


def left(stage: Stage) -> list[str]:
    return stage.kubectl("get", OURS, "-l", "helm-safe.dev/role=runner", "-o", "name").stdout.split()


def inside(words: list[str], policy: str) -> list[str]:
    """What the container runs, with the file that its volume would hold."""
    return [policy if word == "/policy/policy.yaml" else word for word in words]


@pytest.mark.timeout(400)
def test_what_is_printed_is_enough_and_nothing_is_touched(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage, flags = staged(sandbox, 4, namespace, tmp_path)
    before = specs(stage)
    printed = stage.safe(RELEASE, "1", "--print-manifests", *IMAGE, *flags).stdout
    assert (specs(stage), left(stage)) == (before, [])
    objects = {each["kind"]: each for each in yaml.safe_load_all(printed)}
    assert set(objects) == {"Job", "ServiceAccount", "Role", "RoleBinding", "ConfigMap"}
    assert objects["ConfigMap"]["data"]["policy.yaml"] == Path(flags[-1]).read_text(encoding="utf-8")
    job = objects.pop("Job")
    stage.kubectl(
        "apply", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects.values()]})
    )
    env = with_token(stage, RUNNER, tmp_path / "pod")
    words = inside(container(job)["args"], flags[-1])
    with start(env, *words) as first:
        until(lambda: "approve" in str(specs(stage)) or len(specs(stage)) > len(before), 90, "the standby")
        first.kill()  # the node is gone: another pod of the Job goes on
    with start(env, *words) as second:
        told, errors = second.communicate(timeout=240)
    assert second.returncode == 0, told + errors
    # As before, but for the image that the rollback brought back.
    assert json.dumps(specs(stage)) == json.dumps(before).replace("checkout-api:2-good", "checkout-api:1-good")
    assert stage.history()[-1]["status"] == "deployed"


@pytest.mark.timeout(400)
def test_the_terminal_follows_and_clears_away(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """The pod's image cannot run here, so its process is started beside it, as soon as the Job is there."""
    stage, flags = staged(sandbox, 3, namespace, tmp_path)
    nobody = stage.safe(RELEASE, "1", "--yes", "--in-cluster", fails=True)
    assert nobody.returncode == 2
    assert "--in-cluster: no image is named" in nobody.stderr
    with start(stage.env, RELEASE, "1", "-n", namespace, "--yes", "--in-cluster", *IMAGE, *flags) as terminal:
        until(lambda: len(left(stage)) == 5, 90, "the Job and what it needs")
        job = json.loads(stage.kubectl("get", "job", RUNNER, "-o", "json").stdout)
        env = with_token(stage, RUNNER, tmp_path / "pod")
        with start(env, *inside(container(job)["args"], flags[-1])) as pod:
            told, errors = terminal.communicate(timeout=240)
            pod.communicate(timeout=30)
    assert terminal.returncode == 0, told + errors
    assert "the run ended SUCCEEDED" in told
    assert "native helm rollback to revision 1" in told
    until(lambda: left(stage) == [], 30, "the Job to go")


@pytest.mark.timeout(300)
def test_a_pod_that_does_not_start_is_said_and_ctrl_c_leaves_it(
    sandbox: Sandbox, namespace: str, tmp_path: Path
) -> None:
    stage, flags = staged(sandbox, 4, namespace, tmp_path)
    before = specs(stage)
    missing = ("--image", "example/helm-safe:missing")
    done = stage.safe(RELEASE, "1", "--yes", "--in-cluster", *missing, *flags, fails=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ErrImagePull" in done.stderr or "ImagePullBackOff" in done.stderr
    assert specs(stage) == before
    until(lambda: left(stage) == [], 30, "the Job to go")
    with start(stage.env, RELEASE, "1", "-n", namespace, "--yes", "--in-cluster", *IMAGE, *flags) as terminal:
        until(lambda: len(left(stage)) == 5, 90, "the Job and what it needs")
        time.sleep(2)
        os.kill(terminal.pid, signal.SIGINT)
        _, errors = terminal.communicate(timeout=30)
    assert terminal.returncode == 130, errors
    assert "The Job goes on." in errors
    assert f"job.batch/{RUNNER}" in left(stage)
