"""`replicas` and `partition` with real requests, the real controllers and both Helms."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from helm_safe.core.objects import dig
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE
from tests.dataplane.plain import PODS, Plain
from tests.dataplane.staging import Moment, Story, after, before
from tests.dataplane.verdict import failures, split
from tests.sampling import FULL

pytestmark = pytest.mark.dataplane
RATE = 60.0
BAKE = ("--bake", "15s" if FULL else "5s")
BROKEN = "2-broken-40"
KINDS = "deployment,replicaset,statefulset,pod,service,ingress,endpointslice"


def tell(words: str) -> None:
    print(f"strategies: {words}", file=sys.__stderr__, flush=True)


def owners(player: Plain) -> set[str]:
    """Field managers of all objects but helm-safe's own."""
    shown = player.kubectl("get", KINDS, "--show-managed-fields", "-o", "json").stdout
    return {
        str(entry["manager"])
        for item in json.loads(shown)["items"]
        if item["metadata"].get("labels", {}).get("helm-safe.dev/role") != "standby"
        for entry in item["metadata"].get("managedFields", [])
    }


def assert_end(player: Plain, tag: str) -> None:
    newest = player.history()[-1]
    assert (newest["revision"], newest["status"]) == (3, "deployed")
    assert player.tags() == [tag] * PODS
    spec, status = player.workload()["spec"], player.workload()["status"]
    assert (spec["replicas"], status["readyReplicas"]) == (PODS, PODS)
    assert player.kubectl("get", KINDS, "-l", "helm-safe.dev/role=standby", "-o", "name").stdout == ""
    assert "helm-safe" not in owners(player)


@pytest.mark.parametrize("sets", [(), (f"replicas={PODS}",)], ids=["uncounted", "counted"])
@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.matrix(1)
def test_users_follow_the_ratio_of_ready_pods(
    sandbox: Sandbox, namespace: str, tmp_path: Path, major: int, sets: tuple[str, ...]
) -> None:
    """Every request that fails was answered by a broken pod while some were still meant to answer; no step costs one."""
    player = Plain(sandbox, major, namespace, tmp_path)
    player.install("1-cold-4", *sets)
    player.install(BROKEN, *sets)
    player.open()
    with player.load(RATE) as load:
        time.sleep(2)
        story = player.play("--strategy", "replicas", "--steps", "1,50,80,100", *BAKE)
        time.sleep(2)
    assert story.code == 0, story
    requests = load.requests()
    gates = story.gates()
    home = ["return 50", "return 100"] if sets else ["return 20", "return 50", "return 100"]
    assert [gate.step for gate in gates] == ["shift 20", "shift 50", "shift 80", "shift 100", *home], story
    assert [words for gate in gates for words in split(requests, gate)] == [], story
    assert {each.version for each in requests if each.failed} == {BROKEN}, story
    whole = next(gate.since for gate in gates if gate.step == "shift 100")
    assert list(failures(requests, whole)) == [], story
    assert_end(player, "1-cold-4")
    tell(
        f"replicas, helm {major}: {len(requests)} requests, {sum(each.failed for each in requests)} failed, all by {BROKEN}"
    )
    player.install("3-good", *sets)


@pytest.mark.matrix(1)
@pytest.mark.parametrize(("major", "at", "verb"), [(3, "shift 50", "abort"), (4, "rollback", "resume")])
def test_a_killed_run_of_replicas_is_mended(
    sandbox: Sandbox, namespace: str, tmp_path: Path, major: int, at: str, verb: str
) -> None:
    """From a new shell: before COMMIT everything is as it was, after it the rollback is completed; nobody is hurt."""
    player = Plain(sandbox, major, namespace, tmp_path)
    player.install("1-good")
    player.install("2-good")
    player.open()
    with player.load(30.0) as load:
        story = player.play("--strategy", "replicas", "--steps", "50,100", "--bake", "2s", at=after(at))
        assert story.struck, story
        time.sleep(2)
        done = player.safe(verb, RELEASE, fails=True)
        time.sleep(2)
    assert done.returncode == 0, f"{story}\n{done.stdout}\n{done.stderr}"
    assert list(failures(load.requests(), 0)) == [], f"{story}\n{done.stdout}"
    if verb == "resume":
        assert_end(player, "1-good")
        return
    assert player.tags() == ["2-good"] * PODS
    assert len(player.history()) == 2
    assert "helm-safe" not in owners(player)


LOWERED: list[tuple[int, Moment | None]] = [
    (3, None),
    (4, None),
    (3, after("lower 25")),
    (4, before("pin again", ["rollback", "pin again"])),
]


@pytest.mark.matrix(1)
@pytest.mark.parametrize(("major", "killed"), LOWERED, ids=["helm3", "helm4", "helm3-killed", "helm4-killed"])
def test_a_stateful_set_is_let_go_pod_by_pod(
    sandbox: Sandbox, namespace: str, tmp_path: Path, major: int, killed: Moment | None
) -> None:
    """Held while helm writes, then the last pod first, a gate for each step; killed on the way it goes on."""
    player = Plain(sandbox, major, namespace, tmp_path, "StatefulSet")
    sets = (f"replicas={PODS}",)
    player.install("1-good", *sets)
    player.install("2-good", *sets)
    was = player.workload()["spec"]["updateStrategy"]
    story = player.play("--steps", "25,50,100", "--bake", "2s", at=killed)
    if killed:
        assert story.struck, story
        held = dig(player.workload(), "spec", "updateStrategy", "rollingUpdate", "partition")
        time.sleep(5)
        counts = {tag: player.tags().count(tag) for tag in ("1-good", "2-good")}
        assert counts["1-good"] <= PODS - held, "nobody went on by itself"
        assert held in (3, 4)
        done = player.safe("resume", RELEASE, fails=True)
        assert done.returncode == 0, f"{story}\n{done.stdout}\n{done.stderr}"
    else:
        assert story.code == 0, story
        assert [gate.step for gate in story.gates()] == ["lower 25", "lower 50", "lower 100"], story
        assert revisions(story) == "partition"
    assert player.workload()["spec"]["updateStrategy"] == was
    assert_end(player, "1-good")
    player.install("3-good", *sets)  # no field of ours is in helm's way


def revisions(story: Story) -> str:
    plans = (each["data"] for each in story.events if each.get("data", {}).get("kind") == "plan")
    return str(next(plans)["strategy"])


@pytest.mark.parametrize("major", [4])
def test_a_pod_that_does_not_come_up_holds_the_others(
    sandbox: Sandbox, namespace: str, tmp_path: Path, major: int
) -> None:
    """The target crashes on its way back: one pod is away, the others serve on, exit 5 says where they are held."""
    player = Plain(sandbox, major, namespace, tmp_path, "StatefulSet")
    sets = (f"replicas={PODS}",)
    player.install("1-good", *sets)
    player.install("2-good", *sets)
    player.helm("upgrade", RELEASE, player.source, "--set", f"kind=StatefulSet,tag=3-crash,replicas={PODS}")
    player.helm("upgrade", RELEASE, player.source, "--set", f"kind=StatefulSet,tag=2-good,replicas={PODS}")
    player.kubectl("delete", "pod", f"{RELEASE}-{PODS - 1}", "--force", fails=True)
    player.kubectl("rollout", "status", f"StatefulSet/{RELEASE}", "--timeout=120s")
    command = ["--steps", "25,100", "--bake", "2s", "--timeout", "120s"]
    done = player.safe(RELEASE, "3", "--yes", *command, "--policy", str(player.policy), fails=True)
    assert done.returncode == 5, f"{done.stdout}\n{done.stderr}"
    assert f"held where they are (StatefulSet/{RELEASE} at partition 3)" in done.stderr
    assert player.tags()[:3] == ["2-good"] * 3


def test_standby_pods_keep_apart_as_the_template_says(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Anti-affinity by the pods' own labels, on the real scheduler: the copies wear other labels and find their places."""
    player = Plain(sandbox, 4, namespace, tmp_path)
    term = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
    sets = (
        f"{term}.weight=100",
        f"{term}.podAffinityTerm.topologyKey=kubernetes.io/hostname",
        f"{term}.podAffinityTerm.labelSelector.matchLabels.app={RELEASE}",
    )
    player.install("1-good", *sets)
    player.install("2-good", *sets)
    story = player.play("--strategy", "replicas", "--steps", "100", "--bake", "2s", at=after("ready"))
    assert story.struck, story
    shown = player.kubectl("get", f"deployment/{RELEASE}-standby", "-o", "json").stdout
    assert dig(json.loads(shown), "spec", "template", "spec", "affinity") == dig(
        player.workload(), "spec", "template", "spec", "affinity"
    )
    assert dig(json.loads(shown), "status", "readyReplicas") == PODS
    done = player.safe("abort", RELEASE, fails=True)
    assert done.returncode == 0, done.stderr
