"""A plain `helm rollback` that really died half way, mended by `helm safe-rollback` through the plugin."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.dataplane import records

pytestmark = [pytest.mark.cluster, pytest.mark.dataplane]
TWO_PODS = "autoscaling.minReplicas=2"


@pytest.mark.matrix(1)
@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_a_rollback_that_died_half_way_is_mended(sandbox: Sandbox, namespace: str, major: int) -> None:
    """It leaves revision 1's manifest, the pods of before, and nothing of ours that a later upgrade could meet."""
    stage = Stage(sandbox, major, namespace)
    stage.deploy("1-cold-4", TWO_PODS, pods=2)
    stage.deploy("2-good", TWO_PODS, pods=2)
    leave_pending(stage)
    refused = stage.helm("upgrade", RELEASE, stage.chart, "--set", "image.tag=3-good", fails=True)
    assert "another operation" in refused.stderr
    records.set_back(stage, 3, hours=1)

    assert stage.install_plugin()
    done = stage.helm("safe-rollback", RELEASE, "1", "--yes", "--bake", "2s", fails=True)
    assert done.returncode == 0, done.stdout + done.stderr
    standing = stage.standing()
    assert (standing.replicas, standing.ready, standing.status) == (2, 2, "deployed")
    assert manifest(stage, standing.revision) == manifest(stage, 1)
    assert not [name for name in managers(stage) if "helm-safe" in name]
    stage.deploy("3-good", TWO_PODS, pods=2)


def leave_pending(stage: Stage) -> None:
    """Kill a plain `helm rollback --wait` while it waits, as a lost CI job would."""
    command = [str(stage.helm_path), "rollback", RELEASE, "1", "--wait", "-n", stage.namespace]
    with subprocess.Popen(command, env=stage.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 30
        while stage.history()[-1]["status"] != "pending-rollback" and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        child.send_signal(signal.SIGKILL)
    assert stage.history()[-1]["status"] == "pending-rollback"


def manifest(stage: Stage, number: int) -> str:
    return stage.helm("get", "manifest", RELEASE, "--revision", str(number)).stdout


def managers(stage: Stage) -> set[str]:
    """Who owns fields of the release's objects."""
    shown = stage.kubectl("get", "deployment,httproute,hpa", "--show-managed-fields", "-o", "json").stdout
    return {entry["manager"] for item in json.loads(shown)["items"] for entry in item["metadata"]["managedFields"]}
