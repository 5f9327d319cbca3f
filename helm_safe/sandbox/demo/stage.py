"""The demo's service on a sandbox: deploying it, loading it, and reading how it stands. Tests use it as well."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm_safe.model.errors import RunFailed
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request, read_requests

CHART = Path(__file__).resolve().parent / "chart"
ROOT = Path(__file__).resolve().parents[3]  # where the package lies: a checkout, or site-packages
RELEASE = "checkout-api"
GOOD, BROKEN = "1-cold-4", "2-broken-40"
PODS = 4
PATIENCE = 90  # seconds for pods to come up or go away
GATEWAY_API, ISTIO = "gateway-api", "istio"
ROUTERS = {
    GATEWAY_API: "httproute",
    ISTIO: "virtualservices.networking.istio.io",
    "nginx": "ingress",
    "traefik": "traefikservice",
    "none": "ingress",
}
"""How users come to the demo's release -> the kind of the object that moves them."""
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """The release as the cluster has it: replicas asked for and ready, and Helm's newest record."""

    replicas: int
    ready: int
    revision: int
    status: str


class Load:
    """A load under way; `requests` are the answered ones so far. Its clock is `time.monotonic`."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self._process = process
        self._out = out

    def requests(self) -> list[Request]:
        return read_requests(self._out.read_text(encoding="utf-8")) if self._out.exists() else []

    def end(self) -> None:
        """Stop it; the requests under way are still answered or given up."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Stage:
    """One namespace of a sandbox with the release `checkout-api`; major: which Helm plays.

    router: key of ROUTERS. entrance: the loopback address, inside of the sandbox's own network, at which users come in.
    """

    entrance = "127.0.0.1"

    def __init__(self, sandbox: Sandbox, major: int, namespace: str, router: str = GATEWAY_API) -> None:
        self.sandbox = sandbox
        self.router = router
        self.namespace = namespace
        self.helm_path = sandbox.helm(major)
        self.major = major
        self.chart = CHART
        self.env = {**os.environ, **sandbox.env(), "HELM_BIN": str(self.helm_path), "NO_COLOR": "1"}
        self.env |= {"XDG_STATE_HOME": str(sandbox.spec.run / "state"), "PYTHONPATH": str(ROOT)}

    @property
    def host(self) -> str:
        return f"{RELEASE}.{self.namespace}.example"

    @property
    def url(self) -> str:
        ports = self.sandbox.spec.ports
        return f"http://{self.entrance}:{ports.istio if self.router == ISTIO else ports.gateway}/"

    def call(self, *command: str | Path, fails: bool = False, feed: str | None = None) -> Done:
        """Run a program against the sandbox. Raises RunFailed with its last words, unless `fails` allows it."""
        words = [str(each) for each in command]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=False, input=feed)
        if done.returncode and not fails:
            raise RunFailed(f"{' '.join(words[:4])} failed: {(done.stderr or done.stdout).strip()[-800:]}")
        return done

    def helm(self, *words: str | Path, fails: bool = False) -> Done:
        return self.call(self.helm_path, *words, "-n", self.namespace, fails=fails)

    def kubectl(self, *words: str, fails: bool = False, feed: str | None = None) -> Done:
        return self.call("kubectl", "-n", self.namespace, *words, fails=fails, feed=feed)

    def safe(self, *words: str, fails: bool = False) -> Done:
        """helm-safe itself, without Helm in front."""
        return self.call(sys.executable, "-m", "helm_safe", *words, "-n", self.namespace, fails=fails)

    def deploy(self, tag: str, *sets: str, pods: int | None = PODS) -> None:
        """Install or upgrade, then wait until the pods serve; sets: `key=value` of the chart. pods None: no waiting."""
        chosen = (f"image.tag={tag}", f"route.kind={self.router}", *sets)
        values = [word for each in chosen for word in ("--set", each)]
        self.helm("upgrade", "--install", RELEASE, CHART, "--create-namespace", *values)
        if pods is not None:
            self.await_pods(pods)

    def await_pods(self, pods: int) -> None:
        """Wait until the Deployment has so many pods of its newest template, all ready."""
        asked = "--for=jsonpath={.spec.replicas}=" + str(pods)
        self.kubectl("wait", asked, f"deployment/{RELEASE}", f"--timeout={PATIENCE}s")
        if pods:
            self.kubectl("rollout", "status", f"deployment/{RELEASE}", f"--timeout={PATIENCE}s")

    def await_route(self) -> None:
        """Wait until the gateway answers for the release's host: routes and endpoints reach it with a delay."""
        probe = [sys.executable, "-m", "helm_safe.sandbox.demo.load", "--url", self.url, "--host", self.host]
        deadline = time.monotonic() + PATIENCE
        out = self._file()
        while time.monotonic() < deadline:
            command = [*probe, "--rate", "10", "--count", "3", "--out", str(out)]
            self.call(*self.sandbox.inside(command))
            if any(each.version for each in read_requests(out.read_text(encoding="utf-8"))):
                return
        raise RunFailed(f"the gateway did not answer for {self.host} within {PATIENCE} s")

    @contextmanager
    def load(self, rate: float = 40.0, seconds: float = 240.0) -> Iterator[Load]:
        """Real requests through the gateway, from inside the sandbox's own network, until the block is left."""
        out = self._file()
        command = [sys.executable, "-m", "helm_safe.sandbox.demo.load", "--url", self.url, "--host", self.host]
        command += ["--rate", str(rate), "--seconds", str(seconds), "--out", str(out)]
        process = subprocess.Popen(
            self.sandbox.inside(command), env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        load = Load(process, out)
        try:
            yield load
        finally:
            load.end()

    def standing(self) -> Standing:
        deployment = json.loads(self.kubectl("get", "deployment", RELEASE, "-o", "json").stdout)
        newest = self.history()[-1]
        return Standing(
            replicas=int(deployment["spec"].get("replicas", 0)),
            ready=int(deployment["status"].get("readyReplicas", 0)),
            revision=int(newest["revision"]),
            status=str(newest["status"]),
        )

    def route_hash(self) -> str:
        """What the release's route says, in twelve digits; "none" where there is no route."""
        shown = self.kubectl("get", ROUTERS[self.router], RELEASE, "-o", "json", fails=True)
        if shown.returncode:
            return "none"
        spec = json.dumps(json.loads(shown.stdout)["spec"], sort_keys=True)
        return hashlib.sha256(spec.encode()).hexdigest()[:12]

    def history(self) -> list[dict[str, Any]]:
        """Helm's own words about its revisions, oldest first."""
        rows: list[dict[str, Any]] = json.loads(self.helm("history", RELEASE, "-o", "json").stdout)
        return rows

    def install_plugin(self) -> bool:
        """Make `helm safe-rollback` known to the sandbox's private Helm; False where the plugin's files are not here.

        Helm gets a folder of its own in the run folder: the launcher that a user's own installation made stays.
        """
        if not (ROOT / "plugin.yaml").is_file():
            return False
        folder = self.sandbox.spec.run / "plugin" / "safe-rollback"
        self.env |= {"XDG_DATA_HOME": str(self.sandbox.spec.run / "plugin-data")}
        if (Path(self.env["HELM_DATA_HOME"]) / "plugins" / folder.name).exists():
            return True
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("plugin.yaml", "install-binary.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        launcher = self.sandbox.spec.run / "plugin" / "helm-safe"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m helm_safe "$@"\n', encoding="utf-8")
        launcher.chmod(0o700)
        self.env["HELM_SAFE_BIN"] = str(launcher)
        self.call(self.helm_path, "plugin", "install", folder)
        return True

    def _file(self) -> Path:
        folder = self.sandbox.spec.run / "requests"
        folder.mkdir(exist_ok=True)
        return folder / f"{uuid.uuid4().hex}.jsonl"
