"""What the injected probes are for: a slow JVM replaces a quick version under load, without and with them.

About 100 s, both ways side by side. Its only probe is a liveness probe that gives up after 30 s; it needs 40 s to start.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helm_safe.core.yamlio import dump
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import summarize
from helm_safe.sandbox.demo.stage import Stage
from krm_fn.functions import known_functions
from krm_fn.process import process_stream
from tests.krm.lists import CONFIG

pytestmark = pytest.mark.dataplane
PODS, RATE, WATCHED = 1, 20.0, 75
DEFAULTS = {**CONFIG, "spec": {"probes": {}, "rollout": {}, "shutdown": {}}}


class Seen(NamedTuple):
    """Of the new version's pods and of the users while it was rolled out."""

    restarts: int
    failed: int
    asked: int
    image: str


def manifests(host: str, image: str, starts: str) -> list[dict[str, Any]]:
    liveness = {"httpGet": {"path": "/actuator/health/liveness", "port": "http"}}
    container = {
        "name": "app",
        "image": image,
        "env": [{"name": "JAVA_OPTS", "value": "-Xmx256m"}, {"name": "SANDBOX_READY_AFTER", "value": starts}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": liveness,
    }
    labels = {"app": "orders"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "orders"},
            "spec": {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "orders"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "orders"},
            "spec": {
                "parentRefs": [{"name": "sandbox", "namespace": "sandbox-gateway"}],
                "hostnames": [host],
                "rules": [{"backendRefs": [{"name": "orders", "port": 80}]}],
            },
        },
    ]


def applied(stage: Stage, image: str, starts: str, *, looked_after: bool) -> None:
    text = "---\n".join(map(dump, manifests(stage.host, image, starts)))
    if looked_after:
        text = process_stream(text, DEFAULTS, known_functions()).output
    stage.kubectl("apply", "-f", "-", feed=text)


def rolled_out(stage: Stage, *, looked_after: bool) -> Seen:
    stage.call("kubectl", "create", "namespace", stage.namespace, fails=True)
    applied(stage, "sandbox/orders:1-good", "1s", looked_after=looked_after)
    stage.kubectl("rollout", "status", "deployment/orders", "--timeout=120s")
    stage.await_route()
    with stage.load(RATE) as load:
        time.sleep(2)
        applied(stage, "sandbox/orders:2-cold-40", "40s", looked_after=looked_after)
        time.sleep(WATCHED)
    pods = json.loads(stage.kubectl("get", "pods", "-l", "app=orders", "-o", "json").stdout)["items"]
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
    restarts = sum(each["restartCount"] for each in statuses)
    met = summarize(load.requests(), 1.0)
    return Seen(restarts, met.failed, met.total, " ".join({each["image"] for each in statuses}))


def test_a_slow_start_hurts_nobody_with_the_injected_probes(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stages = [Stage(sandbox, 4, f"{namespace}-{way}") for way in ("without", "with")]
    try:
        with ThreadPoolExecutor(2) as pool:
            plain, safe = pool.map(lambda pair: rolled_out(pair[1], looked_after=bool(pair[0])), enumerate(stages))
        print(f"slow start: without {plain}, with {safe}", file=sys.__stderr__)
        assert plain.restarts > 0
        assert plain.failed > plain.asked * 0.2
        assert (safe.restarts, safe.failed) == (0, 0)
        assert safe.image == "sandbox/orders:2-cold-40"
    finally:
        for stage in stages:
            stage.call("kubectl", "delete", "namespace", stage.namespace, "--wait=false", fails=True)
