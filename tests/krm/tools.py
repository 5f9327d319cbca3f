"""The real kustomize, kubectl and kpt for tests, with the function on their PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from helm_safe.sandbox import toolchain
from helm_safe.sandbox.builder import Builder
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.progress import quiet
from tests.krm.lists import ROOT

FLAGS = ("--enable-alpha-plugins", "--enable-exec")


class Tools:
    """folder: holds a launcher called helm-safe-krm, and is the first place on the PATH.

    HELM_SAFE_TEST_KUSTOMIZE: another version than the sandbox's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        launcher = folder / "helm-safe-krm"
        start = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom krm_fn.main import entry\nentry()\n"
        launcher.write_text(f"#!{sys.executable}\n{start}")
        launcher.chmod(0o755)
        self.kustomize = os.environ.get("HELM_SAFE_TEST_KUSTOMIZE") or _required("kustomize")
        self.kubectl = str(toolchain.wheel_program("kubectl", quiet))

    def run(
        self, *command: str | Path, text: str = "", check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [str(word) for word in command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PATH": path, **environment},
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def build(self, folder: Path, *flags: str) -> str:
        return self.run(self.kustomize, "build", *flags, folder).stdout

    def filter(self, text: str, config: Path) -> str:
        return self.run("helm-safe-krm", "filter", "-c", config, text=text).stdout


def _required(name: str) -> str:
    builder = Builder()
    try:
        builder.ensure([name])
    except SandboxError as error:
        if os.environ.get("HELM_SAFE_REQUIRE_CLUSTER") == "1":
            pytest.fail(f"{name} is required here: {error}")
        pytest.skip(str(error))
    return str(builder.path(name))


def kpt() -> str:
    """The installed kpt; skips where there is none."""
    found = shutil.which("kpt")
    if found is None or subprocess.run([found, "version"], capture_output=True, check=False).returncode:
        pytest.skip("kpt is not installed")
    return found


def istio_definitions() -> str:
    """The custom resource definitions of Istio's routes, from its own Go module of types."""
    command = [toolchain.go(quiet), "mod", "download", "-json", "istio.io/api@v1.29.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "GOWORK": "off"})
    if done.returncode:
        if os.environ.get("HELM_SAFE_REQUIRE_CLUSTER") == "1":
            pytest.fail(f"Istio's definitions are required here: {done.stdout}{done.stderr}")
        pytest.skip("Istio's definitions could not be downloaded")
    text = (Path(json.loads(done.stdout)["Dir"]) / "kubernetes" / "customresourcedefinitions.gen.yaml").read_text()
    wanted = ("name: virtualservices.networking", "name: destinationrules.networking")
    return "\n---\n".join(each for each in text.split("\n---\n") if any(name in each for name in wanted))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def kustomization(**lists: Sequence[str]) -> str:
    return "".join(f"{field}:\n" + "".join(f"- {each}\n" for each in entries) for field, entries in lists.items())
