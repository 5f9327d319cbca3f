"""A real Prometheus that scrapes a real Traefik under load, reached through the API server's proxy of a Service."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.metrics.prometheus import PrometheusMetrics
from helm_safe.model.traffic import Backend, NoData, Sample, window
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.dataplane.prometheus import TRAEFIK, Prometheus

pytestmark = pytest.mark.dataplane
PATIENCE = 30.0


class Watcher:
    """The provider as a run has it; the whole world in between is real."""

    def __init__(self, prometheus: Prometheus, gateway: str = "auto") -> None:
        stage = prometheus.stage
        self.backends = [Backend(stage.namespace, RELEASE)]
        self.clock = SystemClock()
        options = {"url": prometheus.url, "gateway": gateway}
        self.provider = PrometheusMetrics.opened(options, KubeCluster.connect(stage.env), self.clock, {})

    def sample(self) -> Sample:
        return self.provider.sample(self.backends)[self.backends[0]]

    def numbers(self, since: float = 0.0) -> Sample:
        """The first that are to be had, scraped after that moment."""
        deadline, why = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            try:
                found = self.sample()
                if found.at > since:
                    return found
                why = "only old numbers"
            except NoData as missing:
                why = missing.message
            time.sleep(0.3)
        raise AssertionError(f"no numbers within {PATIENCE:.0f} s: {why}")

    def silence(self) -> str:
        """Why there are none, as soon as there are none."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.sample()
            except NoData as missing:
                return missing.message
            time.sleep(0.3)
        raise AssertionError(f"there were numbers for {PATIENCE:.0f} s")


@pytest.mark.timeout(900)  # the first call builds Prometheus
def test_a_real_prometheus(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage = Stage(sandbox, 4, namespace)
    prometheus = Prometheus(stage, tmp_path)
    began = time.monotonic()
    prometheus.start()
    try:
        stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
        stage.deploy("2-broken-40", "autoscaling.minReplicas=1", pods=1)
        stage.await_route()
        counts_like_its_clients(stage, prometheus)
        plans_ask_each_query_once(stage, prometheus, tmp_path)
        its_end_is_seen(stage, prometheus)
    finally:
        prometheus.kill()
    print(f"prometheus: {time.monotonic() - began:.0f} s")


def requests(stage: Stage, count: int) -> list[Request]:
    """So many, all of them answered."""
    deadline = time.monotonic() + PATIENCE
    with stage.load(60, seconds=count / 60) as load:
        while len(load.requests()) < count:
            assert time.monotonic() < deadline, f"{len(load.requests())} of {count} requests were answered"
            time.sleep(0.1)
    return load.requests()


def counts_like_its_clients(stage: Stage, prometheus: Prometheus) -> None:
    watcher = Watcher(prometheus)
    quiet = watcher.clock.monotonic()
    before = watcher.numbers(since=quiet)
    assert before.origin == "Traefik"
    sent = requests(stage, 300)
    seen = window(before, watcher.numbers(since=watcher.clock.monotonic()))
    assert (seen.requests, seen.errors) == (len(sent), sum(each.status >= 500 for each in sent))
    assert seen.timed == seen.requests - seen.errors
    assert 5 < seen.seconds < 30


def plans_ask_each_query_once(stage: Stage, prometheus: Prometheus, folder: Path) -> None:
    """Prometheus has no metrics of Linkerd: an error of the plan, with its reason, not a silent pass later."""
    asked = ("plan", RELEASE, "1", "--metrics", prometheus.url, "-o", "json")
    told = stage.safe(*asked, fails=True)
    assert "GATE-001" not in told.stdout
    assert "told by Traefik" in told.stderr
    policy = folder / "linkerd.yaml"
    spec: Mapping[str, object] = {"metrics": {"gateway": "linkerd"}}
    policy.write_text(json.dumps({"apiVersion": "helm-safe.dev/v1alpha1", "kind": "RollbackPolicy", "spec": spec}))
    told = stage.safe(*asked, "--policy", str(policy), fails=True)
    assert "GATE-001" in told.stdout
    assert "has no metrics of Linkerd" in told.stdout


def its_end_is_seen(stage: Stage, prometheus: Prometheus) -> None:
    """Killed, then up again without its target: it answers for five minutes what it knew before."""
    watcher = Watcher(prometheus)
    for _ in range(5):  # so that the interval is known, as it is to a gate
        since = watcher.numbers().at
        watcher.numbers(since)
    prometheus.kill()
    assert "does not answer" in watcher.silence()
    prometheus.start(targets="[]")
    time.sleep(4)
    said = watcher.silence()
    assert "s old" in said, said
    prometheus.configure(TRAEFIK)
    before = watcher.numbers(since=watcher.clock.monotonic())
    requests(stage, 60)
    assert window(before, watcher.numbers(since=watcher.clock.monotonic())).requests == 60
