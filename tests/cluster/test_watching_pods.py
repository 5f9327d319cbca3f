"""Pods of the real control plane that crash, fall ill, cannot be pulled and shout, looked at all at once."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest

from helm_safe.core.objects import Object
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.health import Health
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.ports import JournalStore
from helm_safe.rollback.context import Run, World
from helm_safe.rollback.pods import PodWatch
from helm_safe.sandbox.cluster import Sandbox
from tests.fakes.runs import FakeLock, FakeReporter, NoMetrics, nobody
from tests.model.test_machine import PLAN

pytestmark = pytest.mark.cluster
OURS = "sandbox.helm-safe.dev/"
KINDS: dict[str, dict[str, str]] = {
    "steady": {},
    "crashing": {"role": "crash", "exit-code": "137", "exit-after": "1", "restart-backoff": "1"},
    "ill": {},
    "absent": {"image-missing": "true"},
    "loud": {"role": "consumer", "consume-every": "0.05"},
}


def workload(name: str, behaviour: dict[str, str]) -> Object:
    container: Object = {"name": "app", "image": "sandbox/app:1", "ports": [{"containerPort": 8080}]}
    if behaviour.get("role") != "consumer":
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    metadata = {"labels": {"app": name}, "annotations": {OURS + key: value for key, value in behaviour.items()}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": metadata, "spec": {"containers": [container]}},
        },
    }


class Looking:
    """A watch over each Deployment, by name, all in one run and so by the same few watches of the API server."""

    def __init__(self, sandbox: Sandbox, namespace: str, folder: Path) -> None:
        self.env = {**os.environ, **sandbox.env()}
        self.namespace = namespace
        self.cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
        self.reporter = FakeReporter()
        world = World(
            self.cluster, cast("Any", None), SystemClock(), self.reporter, folder, lambda _: NoMetrics(), nobody
        )
        release, journal = Release(namespace, "shop"), cast("JournalStore", None)
        self.run = Run(world, release, PLAN, Settings(), journal, FakeLock())
        since = self.cluster.now()
        self.watches = {
            name: PodWatch(self.run, Stage.WATCH, [f"Deployment/{name}"], {}, since, beside=["Deployment/steady"])
            for name in KINDS
        }

    def kubectl(self, *words: str, feed: str | None = None) -> None:
        command = ["kubectl", "-n", self.namespace, *words]
        subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, input=feed)

    def until(self, holds: dict[str, tuple[Verdict, str]], seconds: float) -> dict[str, Health]:
        """Look at all until each of them said its words with its verdict."""
        end, left, last = time.monotonic() + seconds, dict(holds), {}
        while left:
            last = {name: watch.look() for name, watch in self.watches.items()}
            left = {
                name: (verdict, words)
                for name, (verdict, words) in left.items()
                if last[name].verdict is not verdict or words not in last[name].message
            }
            assert time.monotonic() < end, f"never said: {left}\n{last}\n{self.said()}"
            time.sleep(0.5)
        return last

    def said(self) -> list[str]:
        return [event.message for event in self.reporter.events if not event.data]


@pytest.mark.timeout(180)
def test_what_is_seen_of_pods_in_trouble(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    looking = Looking(sandbox, namespace, tmp_path)
    items = [workload(name, behaviour) for name, behaviour in KINDS.items()]
    try:
        feed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        looking.kubectl("apply", "-f", "-", feed=feed)
        began, calls = time.monotonic(), sum(looking.cluster.client.calls.values())
        looking.until(
            {
                "steady": (Verdict.PASS, "1/1 ready"),
                "ill": (Verdict.PASS, "1/1 ready"),
                "loud": (Verdict.PASS, "1/1 ready"),
                "crashing": (Verdict.FAIL, "was killed (SIGKILL), as after a failed liveness probe (exit 137)"),
                "absent": (Verdict.INCONCLUSIVE, "not found"),
            },
            60,
        )
        looking.kubectl("annotate", "pod", "-l", "app=ill", OURS + "role=broken", OURS + "error-rate=100")
        looking.until({"ill": (Verdict.INCONCLUSIVE, "readiness failed"), "absent": (Verdict.FAIL, "Image")}, 60)
        looking.until({"ill": (Verdict.FAIL, "times in the last 60 s: HTTP 500")}, 60)
        while not any("lines a minute" in each for each in looking.said()):
            looking.until({"steady": (Verdict.PASS, "")}, 5)
            assert time.monotonic() - began < 100, looking.said()
        seconds = time.monotonic() - began
        made = sum(looking.cluster.client.calls.values()) - calls
        assert made / seconds < 4, "five watches of a run at once; their logs are most of it"
        lists = {path: n for (verb, path), n in looking.cluster.client.calls.items() if "watch" not in path}
        assert lists["/api/v1/namespaces/{namespace}/pods"] <= len(KINDS) + 1
        tables = [event.data for event in looking.reporter.events if event.data.get("kind") == "pods"]
        states = {row["state"] for each in tables for load in each["workloads"] for row in load["pods"]}
        assert {"Running", "CrashLoopBackOff"} <= states
        assert states & {"ErrImagePull", "ImagePullBackOff"}
    finally:
        looking.run.close()
        looking.cluster.close()
