"""A Kustomize build deployed as a release by the command itself, with a real kustomize and a real Helm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helm_safe.sandbox.cluster import Sandbox
from tests.krm.lists import ROOT
from tests.krm.tools import Tools, write

KUSTOMIZATION = (
    "resources: [all.yaml]\nconfigMapGenerator:\n- name: text\n  literals: ['a=Hello {{ .Values.x }} {{`raw`}}']\n"
)


class Kustomize:
    """One release of a Helm in a namespace of the sandbox."""

    def __init__(self, sandbox: Sandbox, major: int, namespace: str, folder: Path, tools: Tools) -> None:
        self.namespace = namespace
        self.folder = folder
        self.helm = str(sandbox.helm(major))
        path = f"{tools.folder}{os.pathsep}{Path(tools.kustomize).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, **sandbox.env(), "HELM_BIN": self.helm, "PATH": path, "PYTHONPATH": str(ROOT)}
        self.env |= {"XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}

    def write(self, *documents: str, kustomization: str = KUSTOMIZATION) -> None:
        write(self.folder, {"app/all.yaml": "---\n".join(documents), "app/kustomization.yaml": kustomization})

    def deploy(self, *words: str, within: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "helm_safe", "kustomize", "shop", str(self.folder / "app" / within), *words]
        return self.call(*command, "-n", self.namespace)

    def call(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.env, input=text, capture_output=True, text=True, check=False)

    def live(self, name: str) -> Any:
        done = self.call("kubectl", "get", name, "-n", self.namespace, "-o", "json", "--show-managed-fields")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def history(self) -> list[dict[str, Any]]:
        done = self.call(self.helm, "history", "shop", "-n", self.namespace, "-o", "json")
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
        return found
