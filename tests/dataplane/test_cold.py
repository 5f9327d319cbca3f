"""Users who meet a cold pod: none with warm-up, some without, side by side under the same load.

About 80 s. The pods fail their first requests, and their readiness probe does not know it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from tests.dataplane.staging import POLICY, Case, Player, Story

pytestmark = pytest.mark.dataplane
TARGET = "1-cold"
COLD = (
    *("config.SANDBOX_COLD_REQUESTS=1_0", "config.SANDBOX_COLD_LATENCY=300ms"),
    *("autoscaling.minReplicas=2", "autoscaling.maxReplicas=2"),
)
"""An underscore, or Helm would make a number of what a ConfigMap takes as text only. An autoscaler that adds pods later
would bring cold ones that nobody warms.
"""
OFF = POLICY + "    least: 0\n"
RATE = 30.0


@pytest.fixture
def players(sandbox: Sandbox, namespace: str, tmp_path: Path) -> Iterator[list[Player]]:
    """With warm-up, and without it."""
    case = Case(4, client_side=False, route="equal")
    found = [
        Player(sandbox, case, namespace, tmp_path / "on"),
        Player(sandbox, case, f"{namespace}-off", tmp_path / "off"),
    ]
    found[1].policy.write_text(OFF, encoding="utf-8")
    yield found
    found[1].kubectl("delete", "namespace", found[1].namespace, "--wait=false")


def rolled_back(player: Player) -> tuple[Story, int, list[str]]:
    """The run, its requests of users, and which of them met a cold pod: seconds since its beginning, and the pod.

    Before its own pods are there the gateway may still know pods of the first deployment, cold and about to end.
    """
    player.release(TARGET, *COLD, pods=2)
    player.release("2-good", *COLD, pods=2)
    player.await_route()
    with player.load(RATE) as load:
        time.sleep(1)
        story = player.play("--steps", "100", "--bake", "1s")
        time.sleep(1)
    requests = [each for each in load.requests() if each.at >= story.done("standby")]
    return story, len(requests), [f"{each.at - story.start:.1f} {each.pod}" for each in requests if each.failed]


def test_users_meet_cold_pods_only_without_warm_up(players: list[Player]) -> None:
    with ThreadPoolExecutor(2) as pool:
        (warm, asked, met), (cold, asked_too, met_too) = pool.map(rolled_back, players)
    print(
        f"cold: {len(met)} of {asked} users met a cold pod with warm-up, {len(met_too)} of {asked_too} without",
        file=sys.__stderr__,
    )
    assert warm.code == 0, warm
    assert asked > 500
    assert not met, f"{met}\n{warm}"
    assert met_too, cold
    assert any("switched off (warm-up.least: 0)" in each["message"] for each in cold.events)
