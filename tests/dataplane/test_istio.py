"""A real istiod and a real Envoy: the article's even split between two subsets, isolated, then walked to the other one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import pytest

from helm_safe.core.objects import Object
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.metrics.scrape import ScrapeMetrics
from helm_safe.model.proportions import improbable
from helm_safe.model.traffic import Backend, Sample, window
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request, between
from helm_safe.sandbox.demo.stage import RELEASE, Load, Stage
from helm_safe.sandbox.istio.routes import destination_rule, virtual_service

pytestmark = pytest.mark.dataplane
STABLE, ROLLBACK = "v1-stable", "v1-rollback"
RATE = 150.0
REQUESTS = 3000
FOLLOWS = 2.0
"""Seconds after a patch from which on the split must be the new one."""
PODS = 2


class Mesh(Stage):
    """The release's Service with two Deployments behind it, each a subset."""

    @property
    def url(self) -> str:
        return f"{self.sandbox.istio_url}/"

    def create(self, weights: dict[str, int]) -> None:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": RELEASE}}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        items = [
            {**service, "spec": {"selector": {"app": RELEASE}, "ports": ports}},
            *(deployment(subset, f"{number}-{subset}") for number, subset in enumerate(weights, 1)),
            destination_rule(RELEASE, {subset: {"track": subset} for subset in weights}),
            virtual_service(RELEASE, self.host, weights),
        ]
        self.kubectl("apply", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        for subset in weights:
            self.kubectl("rollout", "status", f"deployment/{subset}", "--timeout=60s")

    def shift(self, rollback: int) -> float:
        """Write both weights in one patch; returns when it was begun."""
        pairs = ((0, 100 - rollback), (1, rollback))
        patch = [{"op": "replace", "path": f"/spec/http/0/route/{at}/weight", "value": share} for at, share in pairs]
        began = time.monotonic()
        self.kubectl("patch", "virtualservice", RELEASE, "--type=json", "-p", json.dumps(patch))
        return began


def deployment(name: str, tag: str) -> Object:
    labels = {"app": RELEASE, "track": name}
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    container = {"name": "app", "image": f"sandbox/{RELEASE}:{tag}", "readinessProbe": probe}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def tell(words: str) -> None:
    print(f"istio: {words}", file=sys.__stderr__, flush=True)


@pytest.mark.timeout(900)  # the first call builds istiod
def test_an_even_split_is_isolated_and_walked_to_the_other_subset(sandbox: Sandbox, namespace: str) -> None:
    began = time.monotonic()
    sandbox.start_istio()
    tell(f"up after {time.monotonic() - began:.1f} s")
    mesh = Mesh(sandbox, 4, namespace)
    mesh.create({STABLE: 50, ROLLBACK: 50})
    mesh.await_route()
    counted = Counted(mesh)
    before = counted.samples()
    with mesh.load(RATE, seconds=400) as load:
        since = time.monotonic() + FOLLOWS
        proves(50, settled(load, since))
        for share in (0, 1, 10, 50, 100):
            patched = mesh.shift(share)
            proves(share, settled(load, patched + FOLLOWS))
            if share in (0, 100):
                left = STABLE if share else ROLLBACK
                tell(
                    f"nobody meets {left} {last_of(left, load.requests(), patched):.2f} s after the patch to {share} %"
                )
    requests = load.requests()
    assert [each for each in requests if each.failed] == [], "a step cost requests"
    counted.agree(before, requests)


def settled(load: Load, since: float) -> list[Request]:
    """So many requests that were due from then on."""
    deadline = time.monotonic() + REQUESTS / RATE * 3 + FOLLOWS
    while len(found := between(load.requests(), since, time.monotonic())) < REQUESTS:
        assert time.monotonic() < deadline, f"{len(found)} of {REQUESTS} requests were answered"
        time.sleep(0.5)
    return found


def proves(share: int, seen: Sequence[Request]) -> None:
    hits = sum(each.pod.startswith(f"{ROLLBACK}-") for each in seen)
    tell(f"{share} %: {hits} of {len(seen)} requests reached {ROLLBACK}")
    assert {each.pod.rsplit("-", 2)[0] for each in seen} <= {STABLE, ROLLBACK}
    assert not improbable(hits, len(seen), share / 100), f"{hits} of {len(seen)} at {share} %"


def last_of(subset: str, requests: Sequence[Request], patched: float) -> float:
    """Seconds from the patch to the last request that was sent there, as seen so far."""
    sent = [each.at for each in requests if each.pod.startswith(f"{subset}-")]
    return max(0.0, max(sent) - patched)


class Counted:
    """What the gateway counted of each subset, read as a run does it."""

    def __init__(self, mesh: Mesh) -> None:
        self.backends = {name: Backend(mesh.namespace, f"{RELEASE}/{name}") for name in (STABLE, ROLLBACK)}
        self.provider = ScrapeMetrics(KubeCluster.connect(mesh.env), SystemClock(), gateway="auto")

    def samples(self) -> dict[str, Sample]:
        time.sleep(6)  # an Envoy publishes its histograms every five seconds
        found = self.provider.sample(list(self.backends.values()))
        return {name: found[backend] for name, backend in self.backends.items()}

    def agree(self, before: dict[str, Sample], requests: Sequence[Request]) -> None:
        after = self.samples()
        for name, sample in after.items():
            seen = window(before[name], sample)
            assert sample.origin == "Istio's gateway by subset"
            assert seen.requests == sum(each.pod.startswith(f"{name}-") for each in requests)
            assert (seen.errors, seen.timed) == (0, seen.requests)
