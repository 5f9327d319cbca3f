"""The real Flagger and the real Argo Rollouts drive a release: nobody fights, and a rollback goes back by way of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import RATE, Argo, Flagger, Safe, controllers
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import between, calm_after
from helm_safe.sandbox.demo.stage import BROKEN, RELEASE
from helm_safe.sandbox.programs import Programs
from tests.sampling import time_left

pytestmark = pytest.mark.dataplane
TO_BUILD = 2400.0
"""Seconds that building both may take on a slow machine."""
KINDS = "deployment,replicaset,service,traefikservice,rollout,canary"


@pytest.fixture(scope="module")
def driven(sandbox: Sandbox) -> Iterator[Sandbox]:
    if not all(Programs().built(name) for name in ("flagger", "argo-rollouts")) and time_left() < TO_BUILD:
        pytest.skip("no time left to build Flagger and Argo Rollouts")
    with controllers(sandbox):
        yield sandbox


def upgrade(way: Argo, folder: Path, tag: str) -> None:
    """The driver's objects as a chart; who drives the pods counts them too."""
    chart = folder / tag
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: driven\nversion: 1.0.0\n", encoding="utf-8")
    objects = way.objects(tag)
    for obj in objects:
        if obj["kind"] == "Deployment":
            obj["spec"].pop("replicas")
        if obj["kind"] == "TraefikService":  # as its documentation says: the weights are the controller's
            continue
    text = "\n---\n".join(json.dumps(obj) for obj in objects)
    (chart / "templates" / "all.yaml").write_text(text, encoding="utf-8")
    way.helm("upgrade", "--install", RELEASE, chart)


def managers(way: Argo) -> set[str]:
    items = json.loads(way.kubectl("get", KINDS, "--show-managed-fields", "-o", "json").stdout)["items"]
    return {entry["manager"] for item in items for entry in item["metadata"].get("managedFields", [])}


def spec(way: Argo) -> Any:
    return json.loads(way.kubectl("get", "traefikservice", RELEASE, "-o", "json").stdout)["spec"]


@pytest.mark.parametrize(
    ("kind", "settled", "words"),
    [
        (Argo, "Healthy", f"kubectl argo rollouts abort {RELEASE}"),
        (Flagger, "Initialized", f"patch canary {RELEASE} --type=merge"),
    ],
    ids=["argo", "flagger"],
)
@pytest.mark.timeout(600)
def test_it_is_refused_then_followed(
    driven: Sandbox, namespace: str, tmp_path: Path, kind: type[Argo], settled: str, words: str
) -> None:
    way = kind(driven, 3, namespace)
    way.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    upgrade(way, tmp_path, "1-good")
    way.until(lambda: way.phase() == settled, settled)
    upgrade(way, tmp_path, "2-good")
    way.until(lambda: way.phase() in ("Progressing", "Paused", "Promoting"), "the canary of revision 2")
    way.until(lambda: way.phase() in ("Healthy", "Succeeded"), "revision 2")
    route = spec(way)
    refused = way.safe(RELEASE, "1", "--yes", fails=True)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "is blocked by OWN-002" in refused.stderr
    assert words in refused.stdout
    assert len(way.history()) == 2
    accept = ("--accept", "OWN-002=it goes back by way of it", "--bake", "1s", "--timeout", "240s")
    done = way.safe(RELEASE, "1", "--yes", *accept, fails=True)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Strategy: native" in told
    assert "follow " in told
    assert way.history()[-1]["status"] == "deployed"
    assert way.phase() in ("Healthy", "Succeeded")
    assert "sandbox/checkout-api:1-good" in way.kubectl("get", "pods", "-o", "jsonpath={..image}").stdout
    assert spec(way) == route
    assert "helm-safe" not in managers(way)


@pytest.mark.timeout(600)
def test_a_release_without_a_driver_goes_back_beside_a_canary(driven: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Flagger is in the middle of a canary in one namespace; a run in another neither waits for it nor moves it."""
    beside = Flagger(driven, 3, namespace)
    upgrade(beside, tmp_path, "1-good")
    beside.until(lambda: beside.phase() == "Initialized", "the Canary")
    own = Safe(driven, 4, f"{namespace}-own")
    own.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    try:
        own.prepare()
        own.spoil()
        own.await_route()
        before = own.weights()
        upgrade(beside, tmp_path, "2-good")
        plan = beside.safe("plan", RELEASE, "1", fails=True)
        assert "OWN-002" in plan.stdout + plan.stderr
        with own.load(RATE, seconds=200) as load:
            decided = time.monotonic()
            own.decide()
            ended = time.monotonic()
            time.sleep(8)
        seen = load.requests()
        assert own.weights() == before
        assert own.history()[-1]["status"] == "deployed"
        assert calm_after(seen, decided, ended + 8) is not None
        assert not [each for each in between(seen, decided, ended + 8) if each.failed and each.version != BROKEN]
        beside.until(lambda: beside.phase() == "Succeeded", "revision 2")
        assert "helm-safe" not in managers(beside)
    finally:
        own.kubectl("delete", "namespace", own.namespace, "--wait=false")
