"""State read by a real cluster's Secrets and port-forward, photographed, and compared: with a real PostgreSQL."""

from __future__ import annotations

import base64
import gzip
import json
import socket
from pathlib import Path

import pytest

from helm_safe.core.yamlio import load_all
from helm_safe.kube.cluster import KubeCluster
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.migration import RELEASE, Story
from helm_safe.sandbox.demo.stage import RELEASE as APP
from helm_safe.sandbox.demo.stage import Stage
from helm_safe.sandbox.postgres import postgres
from tests.cluster.guarded import container, start, with_token

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(400)
@pytest.mark.parametrize("major", [3, 4])
def test_the_story_of_the_demo(sandbox: Sandbox, namespace: str, major: int) -> None:
    with postgres() as address:
        story = Story(sandbox, major, namespace, address)
        story.begin()
        story.migrate("0002")
        story.deploy("2")
        additive = story.ask("additive")
        assert (additive.advice, additive.exit_code, additive.truth) == ("roll back", 0, "")
        story.migrate("0003")
        story.deploy("3")
        destructive = story.ask("destructive")
        assert destructive.right
        assert "orders.legacy_total" in destructive.said
        shown = story.show()
        assert shown.returncode == 3
        password = address.partition(":")[2].partition(":")[2].partition("@")[0]
        assert password not in shown.stdout + shown.stderr
        _spoiled(story._stage, password)


def _spoiled(stage: Stage, password: str) -> None:
    """What is kept holds no secret; what is damaged, newer or unreadable is told, and is never a pass."""
    name = f"helm-safe.{RELEASE}.v1.snapshot"
    secret = json.loads(stage.kubectl("get", "secret", name, "-o", "json").stdout)
    packed = base64.b64decode(secret["data"]["snapshot"])
    raw = gzip.decompress(packed)
    assert password.encode() not in raw
    assert len(secret["data"]["snapshot"]) < 200 * 1024
    newer = base64.b64encode(gzip.compress(json.dumps({**json.loads(raw), "format": 99}).encode())).decode()
    for data, says in ((secret["data"]["snapshot"][: len(secret["data"]["snapshot"]) // 8 * 4], "damaged or was cut off"),
                       (newer, "format 99, newer than this helm-safe understands")):  # fmt: skip
        patch = json.dumps({"data": {"snapshot": data}})
        stage.kubectl("patch", "secret", name, "--type=merge", "-p", patch)
        body = _plan(stage, "secret/orders-db#url")
        assert any(each["check"] == "STATE-001" and says in each["message"] for each in body["findings"])
        assert not any(each["check"] == "DB-ADD-001" for each in body["findings"])
    for where, says in (
        ("secret/nowhere#url", "Secret/nowhere does not exist"),
        ("secret/orders-db#nothing", "has no key nothing; it has: url"),
        ("env:NOT_SET_AT_ALL", "the variable NOT_SET_AT_ALL is not set"),
        ("postgresql://shop:wr0ng-pass@127.0.0.1:1/x", "refused"),
    ):
        done = stage.safe("plan", RELEASE, "1", "--strategy", "native", "--db", where, "-o", "json", fails=True)
        found = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "STATE-001"]
        assert found[0]["status"] == "unverified"
        assert any(says in each["message"] for each in found)
        assert "wr0ng-pass" not in done.stdout + done.stderr


def _plan(stage: Stage, where: str) -> dict[str, list[dict[str, str]]]:
    done = stage.safe("plan", RELEASE, "1", "--strategy", "native", "--db", where, "-o", "json", fails=True)
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(200)
def test_a_port_of_a_pod_for_any_protocol(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    stage = Stage(sandbox, 4, namespace)
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    pod = stage.kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.name}").stdout
    cluster = KubeCluster.connect({**stage.env})
    with cluster.tunnel(namespace, pod, 8080) as address:
        for _ in range(3):
            with socket.create_connection(address, timeout=10) as ours:
                ours.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b""
                while piece := ours.recv(65536):
                    answer += piece
            assert answer.startswith(b"HTTP/1.1 200")
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=2)
    with cluster.tunnel(namespace, "no-such-pod", 8080) as nowhere, socket.create_connection(nowhere, 10) as ours:
        ours.settimeout(10)
        assert ours.recv(10) == b""


@pytest.mark.timeout(200)
def test_the_hook_of_the_examples_has_the_rights_that_a_snapshot_needs(
    sandbox: Sandbox, namespace: str, tmp_path: Path
) -> None:
    """The example as it stands, installed by helm; its command, with its account's token alone."""
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: hook\nversion: 1.0.0\n")
    example = Path(__file__).parents[2] / "examples" / "in-cluster" / "snapshot-hook.yaml"
    (chart / "templates" / "hook.yaml").write_text(example.read_text())
    shown = stage.helm("template", APP, chart).stdout
    stage.kubectl("apply", "-f", "-", feed=shown)
    with postgres() as address:
        stage.kubectl("create", "secret", "generic", f"{APP}-db", f"--from-literal=url={address}")
        job = next(each for each in load_all(shown) if each["kind"] == "Job")
        with start(with_token(stage, f"{APP}-snapshot", tmp_path), *container(job)["args"]) as done:
            said, complaint = done.communicate(timeout=120)
    assert done.returncode == 0, said + complaint
    assert f"helm-safe.{APP}.v1.snapshot" in said
