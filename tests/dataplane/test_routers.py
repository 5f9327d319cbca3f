"""Every router that a sandbox has for real: the whole staged rollback under load, and isolation within two seconds.

By default one of each is played (see tests/sampling.py); HELM_SAFE_FULL=1 plays all, with 3,000 requests a step.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import between, summarize
from helm_safe.sandbox.demo.stage import RELEASE
from tests.dataplane.routed import GOOD, Routed
from tests.dataplane.staging import TARGET
from tests.dataplane.verdict import complaints, failures
from tests.sampling import FULL, slowness

pytestmark = pytest.mark.dataplane
RATE, BAKE, LEAST = (150.0, "22s", 3000) if FULL else (60.0, "4s", 100)
"""LEAST: requests of each step."""
KINDS = "deployment,service,ingress,httproute,pod"
WITHIN = 2.0 if FULL else 4.0
"""Seconds from Enter until nobody fails any more; a sample may run beside other work."""


def tell(words: str) -> None:
    print(f"routers: {words}", file=sys.__stderr__, flush=True)


@pytest.mark.matrix(1)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize("router", ["gateway-api", "istio", "nginx", "traefik"])
def test_users_are_walked_there_and_back(
    sandbox: Sandbox, namespace: str, tmp_path: Path, router: str, major: int
) -> None:
    """Both revisions answer well, once they are warm: each failure is the run's, and no step is decided early."""
    player = Routed(sandbox, major, namespace, tmp_path, router)
    player.release(TARGET)
    player.release("2-good")
    player.await_route()
    route = player.route()
    with player.load(RATE, seconds=900) as load:
        time.sleep(2)
        story = player.play("--bake", BAKE)
        time.sleep(2)
    assert story.code == 0, story
    requests = load.requests()
    gates = story.gates()
    shares = [*(f"shift {share}" for share in (1, 10, 50, 100)), *(f"return {share}" for share in (10, 50, 100))]
    assert [gate.step for gate in gates] == shares, story
    assert all(len(between(requests, gate.since, gate.until)) >= LEAST for gate in gates), story
    assert complaints(requests, story, TARGET) == [], story
    assert list(failures(requests, story.start)) == [], story
    assert json.dumps(player.route()) == json.dumps(route)
    assert player.kubectl("get", KINDS, "-l", "helm-safe.dev/role=standby", "-o", "name").stdout == ""
    assert [name for name in player.owners() if "helm-safe" in name] == []
    counts = ", ".join(
        f"{gate.step}: {sum(each.pod.startswith(f'{RELEASE}-standby-') for each in between(requests, gate.since, gate.until))}"
        f" of {len(between(requests, gate.since, gate.until))}"
        for gate in gates
    )
    tell(f"{router}, helm {major}: {len(requests)} requests; at the standby {counts}")


@pytest.mark.matrix(1)
@pytest.mark.parametrize("router", ["gateway-api", "istio", "nginx", "traefik"])
def test_nobody_fails_two_seconds_after_isolate(sandbox: Sandbox, namespace: str, tmp_path: Path, router: str) -> None:
    player = Routed(sandbox, 4, namespace, tmp_path, router)
    player.deploy("2-broken-40", "autoscaling.minReplicas=2", pods=2)
    player.known_good(2)
    player.await_route()
    with player.load(60.0) as load:
        time.sleep(3)
        entered = time.monotonic()
        done = player.safe("isolate", RELEASE, "--yes", "--to", GOOD, fails=True)
        assert done.returncode == 0, done.stderr
        time.sleep(4 * slowness())
        undone = player.safe("abort", RELEASE, "--undo-isolate", fails=True)
        assert undone.returncode == 0, undone.stderr
        back = time.monotonic()
        time.sleep(4 * slowness())
    requests, within = load.requests(), WITHIN * slowness()
    failed = [each.at for each in requests if each.failed and entered < each.at < entered + 5]
    last = max(failed, default=entered) - entered
    tell(f"{router}: the last failing request was sent {last:.2f} s after Enter")
    assert summarize(between(requests, 0, entered), 1.0).failed, "nobody failed before"
    assert list(failures(requests, entered + within, entered + within + 2)) == []
    assert summarize(between(requests, back + within, back + within + 2), 1.0).failed, (
        "users are where they were before"
    )
