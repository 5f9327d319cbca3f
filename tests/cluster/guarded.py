"""Processes that have nothing but the token of a ServiceAccount, as in a pod of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import Stage
from tests.cluster.troubled import STRATEGIES, policy_file


def two_revisions(
    sandbox: Sandbox, major: int, namespace: str, folder: Path, pods: int
) -> tuple[Stage, tuple[str, ...]]:
    """A release whose revisions 1 and 2 are both good, and the flags of a run without users."""
    stage = Stage(sandbox, major, namespace)
    stage.env["XDG_STATE_HOME"] = str(folder / "state")
    for tag in ("1-good", "2-good"):
        stage.deploy(tag, f"autoscaling.minReplicas={pods}", pods=pods)
    return stage, (
        "--strategy",
        "standby",
        "--accept",
        "GATE-001=no users in this test",
        *policy_file(STRATEGIES["standby"].policy, folder),
    )


def with_token(stage: Stage, account: str, folder: Path) -> dict[str, str]:
    """The environment of a process that is that ServiceAccount and nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    token = stage.kubectl("create", "token", account).stdout.strip()
    config = json.loads(stage.sandbox.kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    env = {key: value for key, value in stage.env.items() if not key.startswith("KUBE")}
    return {**env, "KUBECONFIG": str(path), "XDG_STATE_HOME": str(folder / "state"), "PATH": os.environ["PATH"]}


def start(env: dict[str, str], *words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "helm_safe", *words]
    return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)


def container(obj: Any) -> Any:
    return obj["spec"]["template"]["spec"]["containers"][0]
