"""The demo's release behind any of the routers that a sandbox has for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import ISTIO, PATIENCE, RELEASE, ROUTERS
from helm_safe.sandbox.istio.commands import ISTIOD
from helm_safe.sandbox.programs import Programs
from tests.dataplane.staging import Case, Player
from tests.sampling import time_left

TO_BUILD = 1500.0
"""Seconds that building istiod may take on a slow machine."""
GOOD = "known-good"


class Routed(Player):
    """router: key of ROUTERS."""

    def __init__(self, sandbox: Sandbox, major: int, namespace: str, folder: Path, router: str) -> None:
        if router == ISTIO:
            start_istio(sandbox)
        super().__init__(sandbox, Case(major, client_side=False, route="equal"), namespace, folder)
        self.router = router

    def route(self) -> Object:
        return self.shown(f"{ROUTERS[self.router]}/{RELEASE}")

    def owners(self) -> set[str]:
        """Field managers of the route too."""
        shown = self.kubectl("get", ROUTERS[self.router], RELEASE, "--show-managed-fields", "-o", "json").stdout
        managed = json.loads(shown)["metadata"]["managedFields"]
        return super().owners() | {str(entry["manager"]) for entry in managed}

    def known_good(self, pods: int) -> None:
        """Another Deployment of the release's own software, which serves beside it without a share."""
        labels = {"app": GOOD}
        probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
        image = f"sandbox/{RELEASE}:1-good"
        pod = {"containers": [{"name": "app", "image": image, "readinessProbe": probe}]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        workload = {"replicas": pods, "selector": {"matchLabels": labels}, "template": template}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        self.apply("apps/v1", "Deployment", GOOD, workload)
        self.apply("v1", "Service", GOOD, {"selector": labels, "ports": ports})
        self.kubectl("rollout", "status", f"deployment/{GOOD}", f"--timeout={PATIENCE}s")
        self._beside()

    def apply(self, api: str, kind: str, name: str, spec: Any, **metadata: Any) -> None:
        made = {"apiVersion": api, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
        self.kubectl("apply", "-f", "-", feed=json.dumps(made))

    def _beside(self) -> None:
        """Put the known-good Service into the route, with a weight of 0."""
        if self.router == "nginx":
            marks = {"canary": "true", "canary-weight": "0"}
            annotations = {f"nginx.ingress.kubernetes.io/{key}": value for key, value in marks.items()}
            spec = self.route()["spec"]
            spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = GOOD
            self.apply("networking.k8s.io/v1", "Ingress", GOOD, spec, annotations=annotations)
            return
        place, entry = {
            "gateway-api": ("/spec/rules/0/backendRefs", {"name": GOOD, "port": 80, "weight": 0}),
            "traefik": ("/spec/weighted/services", {"name": GOOD, "port": 80, "weight": 0}),
            "istio": ("/spec/http/0/route", {"destination": {"host": GOOD, "port": {"number": 80}}, "weight": 0}),
        }[self.router]
        own = [{"op": "add", "path": f"{place}/0/weight", "value": 100}]
        patch = json.dumps([*own, {"op": "add", "path": f"{place}/-", "value": entry}])
        self.kubectl("patch", ROUTERS[self.router], RELEASE, "--type=json", "-p", patch)


def start_istio(sandbox: Sandbox) -> None:
    """Skips where istiod would still have to be built and there is no time for it."""
    if Programs().built(ISTIOD) is None and time_left() < TO_BUILD:
        pytest.skip("no time left to build istiod")
    sandbox.start_istio()
