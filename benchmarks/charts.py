"""Charts that the benchmarks install, written into a folder of their own."""

from __future__ import annotations

from pathlib import Path

ROUTE = """\
---
apiVersion: v1
kind: Service
metadata: {name: SERVICE}
spec:
  selector: {app: SERVICE}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: SERVICE}
spec:
  parentRefs: [{name: sandbox, namespace: sandbox-gateway}]
  hostnames: [SERVICE.bench.example]
  rules: [{backendRefs: BACKENDS}]
"""
WORKLOADS = """\
{{- range until COUNT }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w{{ . }}}
spec:
  replicas: PODS
  selector: {matchLabels: {app: w{{ . }}}}
  template:
    metadata: {labels: {app: w{{ . }}}}
    spec:
      containers:
        - name: app
          image: 'sandbox/bench:{{ $.Values.tag }}-good'
          ports: [{name: http, containerPort: 8080}]
          # Not too often: one small program plays the kubelet for all of these pods.
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 10}
{{- end }}
"""
MAPS = """\
{{- range untilStep 0 COUNT 1 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c{{ . }}}
data: {key: v{{ $.Values.tag }}}
{{- end }}
"""


def write_chart(folder: Path, *parts: str) -> Path:
    """A chart of these templates; its value `tag` says what the pods run."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("tag: '1'\n")
    (folder / "templates" / "all.yaml").write_text("\n".join(parts))
    return folder


def workloads(count: int, pods: int) -> str:
    return WORKLOADS.replace("COUNT", str(count)).replace("PODS", str(pods))


def maps(count: int) -> str:
    return MAPS.replace("COUNT", str(count))


def route(service: str, backends: str = "") -> str:
    """A Service and an HTTPRoute to it; backends: the route's backendRefs in YAML's flow style."""
    return ROUTE.replace("BACKENDS", backends or f"[{{name: {service}, port: 80}}]").replace("SERVICE", service)
