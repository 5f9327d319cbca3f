"""Two processes and one waiting run on the real control plane: who approves, who is told, and what a kill leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helm_safe.rollback.control import person
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.cluster.troubled import policy_file
from tests.sampling import FULL

pytestmark = pytest.mark.cluster
TWO_PODS = "autoscaling.minReplicas=2"
BLIND = ("--accept", "GATE-001=no users in this test")
POLICY = "{approval: {from: the shop's on-call, timeout: 20m}, metrics: {scrape: {labels: app=nobody}}}"
STANDBY = ("--strategy", "standby", "--steps", "50,100", "--pause-at", "50")
NATIVE = ("--strategy", "native", "--pause-at", "commit")


CASES = [pytest.param(4, NATIVE, False, id="helm4-native")]
if FULL:  # two minutes and a half together
    CASES += [
        pytest.param(3, STANDBY, False, id="helm3-standby"),
        pytest.param(4, NATIVE, True, id="helm4-native-killed"),
    ]


@pytest.mark.parametrize(("major", "words", "killed"), CASES)
def test_promote_from_another_terminal(
    sandbox: Sandbox, namespace: str, tmp_path: Path, major: int, words: tuple[str, ...], killed: bool
) -> None:
    """Everybody reads the same; after a kill the answer waits for whoever goes on."""
    stage = Stage(sandbox, major, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    stage.deploy("1-good", TWO_PODS, pods=2)
    stage.deploy("2-good", TWO_PODS, pods=2)
    with waiting(stage, *words, *policy_file(POLICY, tmp_path)) as (run, event):
        told = status(stage)
        assert told["state"] == "WAITING"
        assert told["waiting"].items() <= event["data"].items()
        assert told["waiting"]["who"] == "the shop's on-call"
        assert stage.safe("resume", RELEASE, fails=True).returncode == 3  # its process lives, and is not paused
        if killed:
            run.send_signal(signal.SIGKILL)
        said = stage.safe("promote", RELEASE).stdout
        assert said.startswith(f"Approved: {told['waiting']['for']}")
        if killed:
            stage.safe("resume", RELEASE)
        else:
            assert run.wait(timeout=120) == 0
    ended = status(stage)
    step = next(each for each in ended["steps"] if each["id"].startswith("approve"))
    assert (ended["state"], ended["waiting"], step["result"]) == ("SUCCEEDED", None, f"approved by {person()}")
    assert stage.standing().revision == 3


@contextmanager
def waiting(stage: Stage, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A run that waits for approval, and the event that says so."""
    command = [sys.executable, "-m", "helm_safe", RELEASE, "1", "-n", stage.namespace, "--yes", "-o", "jsonl"]
    command += ["--bake", "1s", *BLIND, *words]
    with subprocess.Popen(command, env=stage.env, stdout=subprocess.PIPE, text=True) as run:
        try:
            events = (json.loads(line) for line in run.stdout or ())
            yield run, next(each for each in events if each.get("data", {}).get("kind") == "waiting")
        finally:
            run.kill()


def status(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage.safe("status", RELEASE, "-o", "json").stdout)
    return found
