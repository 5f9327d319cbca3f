"""A Traefik beside the sandbox's own, for a test that restarts it: the sandbox would end with its own one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from helm_safe.files import write_private
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.components import METRICS_PORT, traefik
from helm_safe.sandbox.network import METRICS_IP


class OtherTraefik:
    """It serves the same routes at another address of the same port, by which Traefik knows the Gateway's listener.

    number: of 1 to 254, one for each that runs at the same time. targets: for a Prometheus that scrapes it alone.
    """

    def __init__(self, sandbox: Sandbox, folder: Path, number: int) -> None:
        self.entrance, self._metrics = f"127.0.1.{number}", f"10.0.2.{number}"
        self.targets = f"[{{targets: ['{self._metrics}:{METRICS_PORT}'], labels: {{service: traefik-metrics}}}}]"
        self._sandbox, self._folder = sandbox, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._kubeconfig = folder / "kubeconfig"
        text = sandbox.kubeconfig.read_text(encoding="utf-8")
        write_private(
            self._kubeconfig, text.replace(sandbox.api_url, f"https://127.0.0.1:{sandbox.spec.ports.api}").encode()
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self._elsewhere(word) for word in traefik(self._sandbox.spec)]
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "KUBECONFIG": str(self._kubeconfig)}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._sandbox.inside(command), env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Its counters begin at zero."""
        self.kill()
        self.start()

    def _elsewhere(self, word: str) -> str:
        if not word.startswith("--entrypoints."):
            return word
        return word.replace("=127.0.0.1:", f"={self.entrance}:").replace(f"={METRICS_IP}:", f"={self._metrics}:")
