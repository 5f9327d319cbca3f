"""The proof of the staged rollback with real requests: nobody notices COMMIT and RETURN, and every kill can be mended.

By default a seeded sample is played (see tests/sampling.py); HELM_SAFE_FULL=1 plays everything, with more requests.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import calm_after
from helm_safe.sandbox.demo.stage import RELEASE
from tests.dataplane.staging import (
    CASES,
    SHORT,
    STEPS,
    TARGET,
    Case,
    Moment,
    Player,
    Story,
    after,
    before,
)
from tests.dataplane.verdict import complaints, failures
from tests.dataplane.witness import witness
from tests.faultproxy import FaultProxy
from tests.sampling import FULL, SEED

pytestmark = pytest.mark.dataplane
RATE = 60.0
REQUESTS = 3000
CALLS = 2.2  # API calls per second that watching may cost, the first look at all kinds of routes included
WRITTEN = 1.5  # seconds after a step's announcement: its weights are written, and settle for 3 s
HPA = f"hpa/{RELEASE}"
WORLDS = 4 if FULL else 3  # kills that are played side by side


def tell(words: str) -> None:
    print(f"staged: {words}", file=sys.__stderr__, flush=True)


@pytest.mark.matrix(2)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_nobody_notices_commit_and_return(sandbox: Sandbox, namespace: str, tmp_path: Path, case: Case) -> None:
    player = Player(sandbox, case, namespace, tmp_path)
    first = player.release_both()
    route, scaler = player.route(), player.shown(HPA)
    assert (first == route) == (case.route != "different")
    bake = ("--bake", "8s" if FULL else "2s")
    with witness(player) as seen, player.load(RATE) as load:
        time.sleep(2)
        story = player.play(*bake)
        time.sleep(2)
    assert story.code == 0, story
    requests = load.requests()
    assert len(requests) > (REQUESTS if FULL else REQUESTS / 2)
    assert [gate.step for gate in story.gates()] == [f"shift {share}" for share in (1, 10, 50, 100)] + [
        f"return {share}" for share in (10, 50, 100)
    ]
    assert complaints(requests, story, TARGET) == [], story
    assert seen.dark() == []
    assert seen.routes_written() >= 8, "the witness missed writes"
    calm = calm_after(requests, story.start, requests[-1].at)
    tell(f"{case}: {len(requests)} requests, below 1 % of failures {calm:.1f} s after the start")
    assert_end(player, first if case.route == "different" else route, scaler)
    assert_upgrades(player, tmp_path)


def calls_in_gates(proxy: FaultProxy, story: Story) -> float:
    gates = story.gates()
    calls = sum(gate.since <= each.at < gate.until for gate in gates for each in proxy.seen)
    return calls / sum(gate.until - gate.since for gate in gates)


def assert_end(player: Player, route: object, scaler: object, revision: int = 3) -> None:
    """All that was there before is there again, and nothing of ours."""
    standing = player.standing()
    assert (standing.replicas, standing.ready, standing.revision, standing.status) == (4, 4, revision, "deployed")
    manifest = player.helm("get", "manifest", RELEASE).stdout
    assert manifest == player.helm("get", "manifest", RELEASE, "--revision", "1").stdout
    assert_clean(player, route, scaler)


def assert_clean(player: Player, route: object, scaler: object) -> None:
    assert json.dumps(player.route()) == json.dumps(route)
    assert json.dumps(player.shown(HPA)) == json.dumps(scaler)
    assert player.standby_objects() == []
    assert [name for name in player.owners() if "helm-safe" in name] == []


def assert_upgrades(player: Player, folder: Path) -> None:
    """The next upgrade goes through with the Helm of before, then with the other one; the routes follow."""
    player.release("3-good", header="three", pods=None)
    assert "three" in json.dumps(player.route())
    other = Case(7 - player.major, client_side=False, route=player.case.route)
    heir = Player(player.sandbox, other, player.namespace, folder / "heir")
    heir.release("4-good", header="four", pods=None)
    assert "four" in json.dumps(heir.route())


def test_the_same_harness_catches_a_plain_rollback(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Without standby, gates and warm-up users meet cold pods: a proof that cannot fail would prove nothing."""
    player = Player(sandbox, Case(4, client_side=False, route="equal"), namespace, tmp_path)
    player.release(TARGET, header="one")
    player.release("2-good", header="one")  # so that every failure is the rollback's
    player.await_route()
    with player.load(RATE) as load:
        time.sleep(2)
        story = player.play("--strategy", "native", "--bake", "8s")  # within which pods may get warm
        time.sleep(2)
    assert story.code == 0, story
    requests = load.requests()
    assert list(failures(requests, 0, story.start)) == []
    found = list(failures(requests, story.start))
    assert found != []
    tell(f"plain rollback: {found[0]}")


@dataclass(frozen=True)
class Kill:
    """kill -9 of a short run before a step (it was announced), after it (it was done) or in it; then `verb` from a new
    shell.
    """

    case: Case
    side: str
    step: str
    verb: str

    @property
    def at(self) -> Moment:
        return (after if self.side == "after" else before)(self.step)

    def strike(self, process: subprocess.Popen[str]) -> None:
        if self.side == "in":
            time.sleep(WRITTEN)
        process.kill()

    @property
    def late(self) -> bool:
        """Whether the native rollback may have run."""
        return self.step in STEPS[STEPS.index("rollback") :]

    @property
    def returned(self) -> bool:
        """Whether users are back for good."""
        return self.step in STEPS[STEPS.index("remove") :] or (self.side, self.step) == ("after", "routes")

    def __str__(self) -> str:
        return f"{self.case} killed {self.side} {self.step}, {self.verb}"


def groups() -> list[list[Kill]]:
    """The two kills that everybody must be able to survive, and a third one; in the full matrix every step, with each
    Helm. Those of a group are played side by side.
    """
    three, four = (case for case in CASES if case.route == "equal" and not case.client_side)
    fixed = [Kill(three, "in", "shift 10", "abort"), Kill(four, "after", "rollback", "resume")]
    every = [
        Kill(case, "before", step, ("resume", "abort")[(index + case.major) % 2])
        for index, step in enumerate(STEPS[1:], start=1)
        for case in (three, four)
    ]
    anything = [Kill(*each) for each in product((three, four), ("before", "after"), STEPS[1:-1], ("resume", "abort"))]
    kills = [*fixed, *(every if FULL else random.Random(SEED).sample(anything, 1))]
    return [kills[start : start + WORLDS] for start in range(0, len(kills), WORLDS)]


@pytest.mark.parametrize("kills", groups(), ids=lambda kills: f"{kills[0].side} {kills[0].step}")
def test_killed_runs_are_mended_from_a_new_shell(sandbox: Sandbox, tmp_path: Path, kills: list[Kill]) -> None:
    """Several side by side, each in a namespace of its own: a run mostly waits."""
    with ThreadPoolExecutor(WORLDS) as pool:
        told = list(pool.map(lambda each: mended(sandbox, each[1], tmp_path / str(each[0])), enumerate(kills)))
    assert not any(told), "\n".join([f"seed {SEED}", *filter(None, told)])


def mended(sandbox: Sandbox, kill: Kill, folder: Path) -> str:
    """What was not as it must be, "" when all was."""
    namespace = f"kill-{uuid.uuid4().hex[:8]}"
    player = Player(sandbox, kill.case, namespace, folder)
    began = time.monotonic()
    try:
        player.kubectl("create", "namespace", namespace)
        play_kill(player, kill)
    except Exception as error:  # noqa: BLE001 - one world must not hide what the others show
        return f"{kill}: {type(error).__name__}: {error}"
    finally:
        player.kubectl("delete", "namespace", namespace, "--wait=false", fails=True)
        tell(f"{kill}: {time.monotonic() - began:.0f} s")
    return ""


def play_kill(player: Player, kill: Kill) -> None:
    route = player.release_both()
    scaler = player.shown(HPA)
    with player.load(30.0, seconds=400) as load, witness(player) as seen:
        story = player.play(*SHORT, at=kill.at, then=kill.strike)
        killed = time.monotonic()
        assert story.struck, story
        if kill.side == "in":
            assert [ref["weight"] for ref in player.route()["spec"]["rules"][0]["backendRefs"]] == [90, 10], story
        told = [str(story), *mend(player, kill)]
        time.sleep(2)
    words = "\n".join(told)
    assert seen.dark() == [], words
    if kill.step in STEPS[STEPS.index("join") :] and (kill.verb == "resume" or kill.late):
        assert list(failures(load.requests(), killed)) == [], words
    if kill.verb == "abort" and not kill.late:
        standing = player.standing()
        assert (standing.replicas, standing.ready, standing.revision) == (4, 4, 2), words
        assert_clean(player, route, scaler)
    else:
        assert_end(player, route, scaler)


def mend(player: Player, kill: Kill) -> Iterator[str]:
    """What a person does afterwards; an abort after COMMIT leaves users on proven pods, and then it is gone on with."""
    late_abort = kill.verb == "abort" and kill.late
    expected = {True: 2, False: 5}[kill.returned] if late_abort else 0
    done = player.safe(kill.verb, RELEASE, fails=True)
    yield f"{done.stdout}\n{done.stderr}"
    assert done.returncode == expected, f"exit {done.returncode}: {done.stdout}\n{done.stderr}"
    if expected == 2:
        assert "succeeded before it could be aborted" in done.stderr
    if expected == 5:
        done = player.safe("resume", RELEASE, fails=True)
        yield f"{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}\n{done.stderr}"


def test_configuration_alone_is_cured_and_idle_pods_are_kept(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """Revision 2 differs by a value of its ConfigMap, and an autoscaler that really acts would like to halve the pods
    that nobody uses any more. Its long gates also tell what watching costs.
    """
    player = Player(sandbox, Case(4, client_side=False, route="equal"), namespace, tmp_path)
    costly = "podAnnotations.sandbox\\.helm-safe\\.dev/cpu-per-request=20ms"
    sets = ("checksums=false", "autoscaling.minReplicas=2", "autoscaling.maxReplicas=4", costly)
    player.release("1-good", *sets, pods=2)
    scaler = player.shown(HPA)
    player.await_route()
    with (
        FaultProxy(sandbox.kubeconfig, tmp_path).running() as proxy,
        witness(player) as seen,
        player.load(RATE) as load,
    ):
        player.await_pods(4)  # the load makes it grow
        player.release("1-good", *sets, "config.SANDBOX_ROLE=broken", "config.SANDBOX_ERROR_RATE=40%", pods=None)
        assert list(failures(load.requests(), 0)) == []
        player.kubectl("rollout", "restart", f"deployment/{RELEASE}")
        player.await_pods(4)
        route = player.route()
        story = player.play("--steps", "100", "--bake", "15s", proxy=proxy)
        time.sleep(2)
        assert story.code == 0, story
        assert list(failures(load.requests(), story.start, story.done("ready"))) != []
        assert list(failures(load.requests(), whole(story))) == [], story
        assert_end(player, route, scaler)
    assert seen.replicas() == [2, 4, 0, 4], "an idle workload was shrunk"
    assert seen.dark() == []
    idle, calls = story.gates()[0], calls_in_gates(proxy, story)
    assert idle.until - idle.since > 12, "the autoscaler had no time to act"
    tell(f"{calls:.2f} API calls per second while gates watch")
    assert calls <= CALLS


def whole(story: Story) -> float:
    """From when on all users are on the standby."""
    return next(gate.since for gate in story.gates() if gate.step == "shift 100")


def test_another_writers_edit_stops_the_run_and_stays(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    player = Player(sandbox, Case(4, client_side=False, route="equal"), namespace, tmp_path)
    player.release_both()
    path = "/spec/rules/0/backendRefs/0/weight"
    patch = json.dumps([{"op": "test", "path": path, "value": 90}, {"op": "replace", "path": path, "value": 42}])

    def interfere(_: object) -> None:
        time.sleep(WRITTEN)
        player.kubectl("patch", f"httproute/{RELEASE}", "--type=json", "-p", patch)

    with witness(player) as seen, player.load(30.0):
        story = player.play(*SHORT, at=before("shift 10"), then=interfere)
    assert story.struck, story
    assert story.code == 5, story
    assert "kubectl-patch" in story.errors
    assert f"HTTPRoute/{RELEASE}" in story.errors
    refs = player.route()["spec"]["rules"][0]["backendRefs"]
    assert {ref["name"]: ref["weight"] for ref in refs} == {RELEASE: 42, f"{RELEASE}-standby": 10}
    assert player.standing().revision == 2
    assert seen.dark() == []
