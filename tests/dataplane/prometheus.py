"""A Prometheus in the sandbox's network, reached through the API server's proxy of a Service."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from helm_safe.sandbox.components import METRICS_PORT
from helm_safe.sandbox.demo.stage import Stage
from helm_safe.sandbox.network import METRICS_IP
from helm_safe.sandbox.programs import Programs
from tests.sampling import time_left

ADDRESS, PORT = "10.0.0.90", 9090
INTERVAL = 1.0
TO_BUILD = 1500.0  # seconds, on a slow machine
# The label `service` of the target makes Prometheus rename Traefik's own.
TRAEFIK = f"[{{targets: ['{METRICS_IP}:{METRICS_PORT}'], labels: {{service: traefik-metrics}}}}]"


class Prometheus:
    """One at an address of its own, and what makes the API server find it."""

    def __init__(self, stage: Stage, folder: Path, address: str = ADDRESS) -> None:
        self.stage = stage
        self.address = address
        self.url = f"service/{stage.namespace}/prometheus:{PORT}"
        if Programs().built("prometheus") is None and time_left() < TO_BUILD:
            pytest.skip("no time left to build Prometheus")
        self._program = stage.sandbox.link("prometheus")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._publish()

    def start(self, targets: str = TRAEFIK) -> None:
        self.configure(targets)
        command = [str(self._program), f"--config.file={self._config}", f"--storage.tsdb.path={self._folder / 'data'}"]
        command += [f"--web.listen-address={self.address}:{PORT}", "--log.level=warn"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.stage.sandbox.inside(command), stdout=log, stderr=log)

    def configure(self, targets: str) -> None:
        job = f"{{job_name: traefik, static_configs: {targets}}}"
        self._config.write_text(f"{{global: {{scrape_interval: {INTERVAL:.0f}s}}, scrape_configs: [{job}]}}\n")
        if self._process:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Start anew without what it knew."""
        self.kill()
        shutil.rmtree(self._folder / "data")
        self.start()

    @property
    def _config(self) -> Path:
        return self._folder / "prometheus.yml"

    def _publish(self) -> None:
        """A pod that nobody runs stands for it: the API server's proxy wants one behind the Service."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "prometheus"},
            "spec": {"schedulerName": "sandbox", "containers": [{"name": "prometheus", "image": "prometheus"}]},
        }
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "prometheus"}}
        target = {"kind": "Pod", "namespace": self.stage.namespace, "name": "prometheus"}
        subset = {
            "addresses": [{"ip": self.address, "targetRef": target}],
            "ports": [{"port": PORT, "protocol": "TCP"}],
        }
        piece = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "prometheus"}, "subsets": [subset]}
        items = [pod, {**service, "spec": {"ports": [{"port": PORT, "targetPort": PORT}]}}, piece]
        self.stage.kubectl("apply", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
        status = {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}], "conditions": conditions}
        patch = json.dumps({"status": status})
        self.stage.kubectl("patch", "pod", "prometheus", "--subresource=status", "--type=merge", "-p", patch)
