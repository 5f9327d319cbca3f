"""A guarded upgrade under real requests, and one that is killed on its way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import CHART, RELEASE, Stage

pytestmark = [pytest.mark.cluster, pytest.mark.dataplane]
CHOSEN = ("--set", "image.tag=2-good", "--set", "route.kind=gateway-api", "--set", "autoscaling.minReplicas=2")
FLAGS = ("--yes", "--steps", "10,100", "--accept", "GATE-001=the gateway was not asked before")


def begin(sandbox: Sandbox, major: int, namespace: str, folder: Path) -> Stage:
    stage = Stage(sandbox, major, namespace)
    stage.env["XDG_STATE_HOME"] = str(folder / "state")
    stage.deploy("1-good", "autoscaling.minReplicas=2", pods=2)
    stage.await_route()
    return stage


@pytest.mark.timeout(500)
@pytest.mark.parametrize("major", [3, 4])
def test_an_upgrade_by_the_same_stages(sandbox: Sandbox, namespace: str, tmp_path: Path, major: int) -> None:
    stage = begin(sandbox, major, namespace, tmp_path)
    route = stage.route_hash()
    with stage.load(40) as load:
        done = stage.safe("forward", RELEASE, str(CHART), *CHOSEN, *FLAGS, "--bake", "2s", fails=True)
        time.sleep(3)
        seen = load.requests()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "native helm upgrade to revision 2" in done.stdout
    assert len(seen) > 1000
    assert [each for each in seen if each.failed] == []
    assert {each.version for each in seen[-40:]} == {"2-good"}
    assert stage.route_hash() == route
    assert [(row["revision"], row["status"]) for row in stage.history()] == [(1, "superseded"), (2, "deployed")]
    assert stage.standing().ready == 2


@pytest.mark.timeout(400)
def test_killed_on_its_way_and_aborted_by_another_process(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage = begin(sandbox, 4, namespace, tmp_path)
    route = stage.route_hash()
    command = [sys.executable, "-m", "helm_safe", "forward", RELEASE, str(CHART), *CHOSEN, *FLAGS, "--bake", "1h"]
    with (
        stage.load(40),
        subprocess.Popen(
            [*command, "-n", namespace], env=stage.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as driver,
    ):
        deadline = time.monotonic() + 150
        while stage.route_hash() == route and time.monotonic() < deadline:
            time.sleep(1)
        moved = stage.route_hash() != route
        driver.kill()
        driver.wait()
    assert moved
    aborted = stage.safe("abort", RELEASE, fails=True)
    assert aborted.returncode == 0, aborted.stdout[-1500:] + aborted.stderr[-1500:]
    assert stage.route_hash() == route
    left = json.loads(stage.kubectl("get", "deployments", "-o", "json").stdout)["items"]
    assert [each["metadata"]["name"] for each in left] == [RELEASE]
    assert len(stage.history()) == 1


@pytest.mark.timeout(200)
def test_what_cannot_be_is_said_before_anything_is_touched(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    nowhere = stage.safe("forward", RELEASE, "/no/such/chart", "--yes", fails=True)
    assert nowhere.returncode == 2
    assert "helm cannot render the upgrade" in nowhere.stderr
    nobody = stage.safe("forward", RELEASE, "--yes", fails=True)
    assert nobody.returncode == 2
    assert len(stage.history()) == 1
