"""ResourceLists and configs for the tests of the KRM function."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helm_safe.core.yamlio import dump

ROOT = Path(__file__).resolve().parent.parent.parent

CONFIG: dict[str, Any] = {
    "apiVersion": "helm-safe.dev/v1alpha1",
    "kind": "RolloutDefaults",
    "metadata": {"name": "defaults"},
    "spec": {"probes": {}},
}

WEB = """\
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    annotations:
      config.kubernetes.io/index: '0'
      internal.config.kubernetes.io/index: '0'
      kustomize.config.k8s.io/id: |
        group: apps
        kind: Deployment
        name: web
        version: v1
    labels: {a: "1e3", b: "08", c: =, d: "12:30", e: "yes", f: 2024-01-01, g: 0o17, h: 010}
    name: web
  spec:
    template:
      spec:
        containers:
        - image: node:22 # the image
          name: 'app'
          args:
          - |
            long

              text
          ports:
          - containerPort: 3000
        volumes:
        - &v {name: a}
        - {name: b}
"""


def resource_list(items: str = WEB, config: Any = None, version: str = "config.kubernetes.io/v1") -> str:
    asked = dump({"functionConfig": CONFIG if config is None else config})
    return f"apiVersion: {version}\nkind: ResourceList\nitems:\n{items}{asked}"


def run(*arguments: str, text: str | bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The function as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "krm_fn", *arguments],
        input=text.encode() if isinstance(text, str) else text,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
