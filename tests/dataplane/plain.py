"""A release without a route of its own: users come through an Ingress to its one Service, whatever pods stand behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helm_safe.core.objects import dig
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import PATIENCE, RELEASE
from tests.dataplane.staging import Case, Player

PODS = 4
CHART = "apiVersion: v2\nname: plain\nversion: 1.0.0\n"
VALUES = """\
kind: Deployment
tag: 1-good
replicas: null
strategy: {}
affinity: {}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: {{ .Values.kind }}
metadata:
  name: {{ .Release.Name }}
spec:
  {{- with .Values.replicas }}
  replicas: {{ . }}
  {{- end }}
  {{- if eq .Values.kind "StatefulSet" }}
  serviceName: {{ .Release.Name }}
  {{- with .Values.strategy }}
  updateStrategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      terminationGracePeriodSeconds: 30
      {{- with .Values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: app
          image: "sandbox/checkout-api:{{ .Values.tag }}"
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 2}
          lifecycle: {preStop: {sleep: {seconds: 5}}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{name: web, port: 80, targetPort: http}]
"""


class Plain(Player):
    """kind: of the workload. Its chart is written into the folder."""

    def __init__(self, sandbox: Sandbox, major: int, namespace: str, folder: Path, kind: str = "Deployment") -> None:
        super().__init__(sandbox, Case(major, client_side=False, route="outside"), namespace, folder)
        self.kind = kind
        self.source = folder / "plain"
        (self.source / "templates").mkdir(parents=True)
        for name, text in (("Chart.yaml", CHART), ("values.yaml", VALUES), ("templates/workload.yaml", WORKLOAD)):
            (self.source / name).write_text(text, encoding="utf-8")

    def install(self, tag: str, *sets: str) -> None:
        words = [word for each in (f"kind={self.kind}", f"tag={tag}", *sets) for word in ("--set", each)]
        self.helm("upgrade", "--install", RELEASE, self.source, *words)
        workload = f"{self.kind}/{RELEASE}"
        if not any(each.startswith("replicas=") for each in sets):
            self.kubectl("scale", workload, f"--replicas={PODS}")
        self.kubectl("rollout", "status", workload, f"--timeout={2 * PATIENCE}s")

    def open(self) -> None:
        """Let users in by an Ingress that nobody gives weights."""
        backend = {"service": {"name": RELEASE, "port": {"number": 80}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        spec = {"ingressClassName": "nginx", "rules": [{"host": self.host, "http": {"paths": [path]}}]}
        made = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}
        self.kubectl("apply", "-f", "-", feed=json.dumps(made))
        self.await_route()

    def workload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", f"{self.kind}/{RELEASE}", "-o", "json").stdout)
        return found

    def tags(self) -> list[str]:
        """Image tags of all pods of the release, in the order of their names."""
        pods = json.loads(self.kubectl("get", "pods", "-l", f"app={RELEASE}", "-o", "json").stdout)["items"]
        alive = [pod for pod in pods if not dig(pod, "metadata", "deletionTimestamp")]
        return [str(dig(pod, "spec", "containers", 0, "image")).rpartition(":")[2] for pod in alive]
