"""A real istiod and a real Envoy: an even split between two subsets, isolated in one write, then walked to the other."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from helm_safe.core.objects import Object, dig, ref_of
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.metrics.scrape import ScrapeMetrics
from helm_safe.model.proportions import improbable
from helm_safe.model.routes import Backends, Weight
from helm_safe.model.traffic import Backend, Sample, window
from helm_safe.rollback.traffic import router_of
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request, between
from helm_safe.sandbox.demo.stage import RELEASE, Load, Stage
from helm_safe.sandbox.istio.routes import destination_rule, virtual_service
from tests.dataplane.routed import start_istio
from tests.sampling import slowness

pytestmark = pytest.mark.dataplane
STABLE, ROLLBACK = "v1-stable", "v1-rollback"
RATE = 150.0
REQUESTS = 3000
FOLLOWS = 2.0
"""Seconds after a patch from which on the split must be the new one."""
PODS = 2
KIND = "virtualservices.networking.istio.io"
CHART = "apiVersion: v2\nname: mesh\nversion: 1.0.0\n"


class Mesh(Stage):
    """The release's Service with two Deployments behind it, each a subset."""

    @property
    def url(self) -> str:
        return f"{self.sandbox.istio_url}/"

    def create(self, weights: dict[str, int], folder: Path) -> None:
        """As a release of Helm."""
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": RELEASE}}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        items = [
            {**service, "spec": {"selector": {"app": RELEASE}, "ports": ports}},
            *(deployment(subset, f"{number}-{subset}") for number, subset in enumerate(weights, 1)),
            destination_rule(RELEASE, {subset: {"track": subset} for subset in weights}),
            virtual_service(RELEASE, self.host, weights),
        ]
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(CHART, encoding="utf-8")
        text = "\n---\n".join(json.dumps(item) for item in items)
        (folder / "templates" / "all.yaml").write_text(text, encoding="utf-8")
        self.helm("install", RELEASE, folder)
        for subset in weights:
            self.kubectl("rollout", "status", f"deployment/{subset}", "--timeout=60s")

    def isolate(self) -> float:
        """All users to the stable subset; returns when it was asked for."""
        before, began = self.generation(), time.monotonic()
        done = self.safe("isolate", RELEASE, "--yes", "--to", STABLE, fails=True)
        assert done.returncode == 0, done.stderr
        assert self.generation() == before + 1, "more than one write"
        return began

    def generation(self) -> int:
        return int(dig(json.loads(self.kubectl("get", KIND, RELEASE, "-o", "json").stdout), "metadata", "generation"))


class Walk:
    """Users are moved by the router's own patches, as a run does it."""

    def __init__(self, mesh: Mesh) -> None:
        self.cluster, self.router = KubeCluster.connect(mesh.env), router_of("istio")
        resource = self.cluster.served().preferred("networking.istio.io", "VirtualService")
        assert resource
        self.resource, self.namespace = resource, mesh.namespace
        self.captured = self.router.capture(self.live())
        self.pairs = (Backends(f"{RELEASE}/{STABLE}", f"{RELEASE}/{ROLLBACK}"),)

    def live(self) -> Object:
        found = self.cluster.get(self.resource, self.namespace, RELEASE)
        assert found
        return found

    def shift(self, rollback: float) -> float:
        """Write the weights in one patch; returns when it was begun."""
        began, live = time.monotonic(), self.live()
        patch = self.router.patch(self.captured, live, self.pairs, Weight(rollback))
        self.cluster.patch(self.resource, ref_of(live), patch, kind="json", manager="test")
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
def test_an_even_split_is_isolated_and_walked_to_the_other_subset(
    sandbox: Sandbox, namespace: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    start_istio(sandbox)
    tell(f"up after {time.monotonic() - began:.1f} s")
    mesh = Mesh(sandbox, 4, namespace)
    mesh.create({STABLE: 50, ROLLBACK: 50}, tmp_path / "chart")
    mesh.await_route()
    counted = Counted(mesh)
    before = counted.samples()
    with mesh.load(RATE, seconds=400) as load:
        since = time.monotonic() + FOLLOWS
        proves(50, settled(load, since))
        asked = mesh.isolate()
        proves(0, settled(load, asked + FOLLOWS * slowness()))
        tell(f"nobody meets {ROLLBACK} {last_of(ROLLBACK, load.requests(), asked):.2f} s after isolate was asked for")
        walk = Walk(mesh)
        for share in (1, 10, 50, 100):
            patched = walk.shift(share)
            proves(share, settled(load, patched + FOLLOWS))
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
