"""Processes that have nothing but the token of a ServiceAccount, as in a pod of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helm_safe.sandbox.demo.stage import Stage


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
