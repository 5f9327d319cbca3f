"""One pod of the target, on the real API server: judged, and gone afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage

pytestmark = pytest.mark.cluster


POLICY = "apiVersion: helm-safe.dev/v1alpha1\nkind: RollbackPolicy\nspec:\n  warm-up: {path: /}\n"


def rehearsed(stage: Stage, *words: str) -> tuple[int, dict[str, object], str]:
    policy = Path(stage.env["XDG_STATE_HOME"]).parent / "policy.yaml"
    policy.write_text(POLICY)
    chosen = ("--bake", "6s", "--policy", str(policy))
    done = stage.safe("rehearse", RELEASE, "1", *chosen, "-o", "json", *words, fails=True)
    body = json.loads(done.stdout)["rehearsed"][0] if done.stdout.strip() else {}
    return done.returncode, body, done.stderr


def left(stage: Stage) -> str:
    return stage.kubectl("get", "pods", "-l", "helm-safe.dev/role=rehearsal", "-o", "name").stdout.strip()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("tag", "code", "says"),
    [
        ("1-good", 0, "ready after"),
        ("1-schema-mismatch", 1, "its logs tell of trouble"),
        ("1-crash", 1, "restarted once"),
    ],
)
def test_what_the_target_would_do(
    sandbox: Sandbox, namespace: str, tmp_path: Path, tag: str, code: int, says: str
) -> None:
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    stage.deploy(tag, "autoscaling.minReplicas=1", pods=None)
    stage.deploy("2-good", "autoscaling.minReplicas=1", pods=1)
    endpoints = stage.kubectl("get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].targetRef.name}").stdout
    found, body, said = rehearsed(stage)
    assert found == code, said
    assert says in str(body["said"])
    assert body["good"] is (code == 0)
    assert "rehearsal" not in endpoints
    gone = stage.kubectl(
        "wait", "--for=delete", "pod", "-l", "helm-safe.dev/role=rehearsal", "--timeout=60s", fails=True
    )
    assert gone.returncode == 0 or "no matching resources" in gone.stderr
    assert left(stage) == ""


@pytest.mark.timeout(200)
def test_a_consumer_is_not_started(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage = Stage(sandbox, 3, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    stage.deploy("1-good", "autoscaling.minReplicas=1", "config.KAFKA_GROUP_ID=billing", pods=1)
    stage.deploy("2-good", "autoscaling.minReplicas=1", "config.KAFKA_GROUP_ID=billing", pods=1)
    code, _, said = rehearsed(stage)
    assert code == 3, said
    assert "cannot be rehearsed" in said
    assert left(stage) == ""
