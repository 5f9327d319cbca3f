"""A run's process is gone at 10 %: the guard, with nothing but its own account's token, puts users where they are safe."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from helm_safe.rollback.watchdog import within
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.cluster.guarded import container, start, two_revisions, with_token
from tests.sampling import slowness

pytestmark = pytest.mark.cluster
AFTER = 15.0
GUARDED = ("--watchdog", "--image", "example/helm-safe:1")
GUARD = f"helm-safe-watchdog-{RELEASE}"
OURS = "serviceaccount,role,rolebinding,deployment"


def specs(stage: Stage) -> Any:
    kinds = "deployments,services,httproutes,horizontalpodautoscalers"
    items = json.loads(stage.kubectl("get", kinds, "-o", "json").stdout)["items"]
    return [(each["kind"], each["metadata"]["name"], each["spec"]) for each in items]


def weights(stage: Stage) -> list[int]:
    spec = json.loads(stage.kubectl("get", "httproute", RELEASE, "-o", "json").stdout)["spec"]
    return [each.get("weight", 1) for each in spec["rules"][0]["backendRefs"]]


def left(stage: Stage) -> list[str]:
    shown = stage.kubectl("get", OURS, "-l", "helm-safe.dev/role=watchdog", "-o", "name").stdout
    return shown.split()


def until(true: Any, seconds: float, words: str) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"waited for {words}"
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.mark.timeout(400)
def test_users_are_safe_again_when_the_driver_is_killed(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage, blind = two_revisions(sandbox, 4, namespace, tmp_path, pods=2)
    before = specs(stage)
    flags = ("--steps", "10,100", "--bake", "1h", *GUARDED)
    words = (RELEASE, "1", "-n", namespace, "--yes", "--after", f"{AFTER:.0f}s", *flags, *blind)
    with start(stage.env, *words) as driver:
        until(lambda: weights(stage) == [90, 10], 120, "10 % at the standby")
        assert len(left(stage)) == 4
        made = json.loads(stage.kubectl("get", f"deployment/{GUARD}", "-o", "json").stdout)
        guard = start(with_token(stage, GUARD, tmp_path / "guard"), *container(made)["args"])
        time.sleep(2 * AFTER)
        assert weights(stage) == [90, 10], "the guard acts only when nobody drives"
        driver.kill()
    bound = within(AFTER) * slowness()
    took = until(lambda: weights(stage) == [1], bound, "the weights of before")
    told, errors = guard.communicate(timeout=120)
    assert guard.returncode == 0, f"{told}\n{errors}"
    assert "was ABORTED by the watchdog" in told
    assert took < bound
    until(lambda: left(stage) == [], 30, "the guard's own objects to go")
    assert specs(stage) == before
    assert "Forbidden" not in told + errors


@pytest.mark.timeout(400)
def test_a_run_that_ends_takes_its_guard_with_it(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage, blind = two_revisions(sandbox, 3, namespace, tmp_path, pods=1)
    nobody = stage.safe(RELEASE, "1", "--yes", "--watchdog", fails=True)
    assert nobody.returncode == 2
    assert "--watchdog: no image is named" in nobody.stderr
    before = specs(stage)
    missing = ("--strategy", "standby", "--watchdog", "--image", "example/helm-safe:missing")
    never = stage.safe(RELEASE, "1", "--yes", *missing, "--accept", "GATE-001=no users in this test", fails=True)
    assert never.returncode == 1, never.stdout + never.stderr
    assert "does not run: Pod/" in never.stderr
    assert "Everything is as it was" in never.stderr
    assert specs(stage) == before
    flags = ("--steps", "100", "--bake", "1s", *GUARDED)
    done = stage.safe(RELEASE, "1", "--yes", *flags, *blind, fails=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leave a watchdog in the cluster" in done.stdout
    until(lambda: left(stage) == [], 30, "the guard's own objects to go")
    watching = stage.safe("watchdog", RELEASE)
    assert "ended SUCCEEDED" in watching.stdout
