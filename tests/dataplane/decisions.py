"""Scenarios of `benchmarks.decisions` on the real thing: what is deployed, what happens meanwhile, and what came of it.

Real Prometheus, Traefik, pods and users; what is right is said by the benchmark's table and nowhere else.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.decisions import PROMOTE, SCENARIOS, Scenario, matrix
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request
from helm_safe.sandbox.demo.stage import RELEASE, Load, Standing
from tests.dataplane.gateways import OtherTraefik
from tests.dataplane.prometheus import TRAEFIK, Prometheus
from tests.dataplane.staging import CASES, Events, Player, Story, step_of
from tests.fakes.crowd import Profile
from tests.fakes.trials import Decision

TARGET, CURRENT = "1", "2"
PODS = 2
RATE = 80.0
CASE = next(each for each in CASES if each.major == 4 and each.route == "equal" and not each.client_side)
QUICK = {"steps": "10,100", "bake": "5s", "timeout": "60s", "strategy": "standby"}
LONG = {"bake": "30s"}  # so that 2 % of errors can be told from 1 %
BETWEEN = {"bake": "10s", "timeout": "90s"}  # time for something to happen in the middle of a step
ROUTED = 3.0
"""Seconds after a route was written in which the gateway may still send somebody the old way."""


@dataclass
class World:
    """One namespace with a release of two revisions, a Prometheus of its own, and users."""

    player: Player
    prometheus: Prometheus
    gateway: OtherTraefik | None = None
    load: Load | None = None

    @classmethod
    def made(cls, sandbox: Sandbox, played: Played, namespace: str, folder: Path, number: int) -> World:
        player = Player(sandbox, CASE, namespace, folder)
        player.kubectl("create", "namespace", namespace)
        player.policy.write_text(policy_of(played), encoding="utf-8")
        gateway = OtherTraefik(sandbox, folder / "traefik", number) if played.own_gateway else None
        player.entrance = gateway.entrance if gateway else player.entrance
        return cls(player, Prometheus(player, folder / "prometheus", f"10.0.1.{number}"), gateway)

    def start(self) -> None:
        if self.gateway:
            self.gateway.start()
        self.prometheus.start(self.gateway.targets if self.gateway else TRAEFIK)

    def end(self) -> None:
        self.prometheus.kill()
        if self.gateway:
            self.gateway.kill()
        self.player.kubectl("delete", "namespace", self.player.namespace, "--wait=false", fails=True)

    def promote(self) -> None:
        self.player.safe("promote", RELEASE)

    def leave(self) -> None:
        if self.load:
            self.load.end()

    def reset(self) -> None:
        """The gateway is another process, and counts from zero."""
        if self.gateway:
            self.gateway.restart()


Act = Callable[[World], object]


@dataclass(frozen=True)
class Played:
    """A scenario as it is played. acts: what is done, seconds after an event: ("shift 10", 3.0, act) after the begin of
    that step, ("waiting", 0.0, act) whenever a person is asked. own_gateway: it can be restarted.
    """

    scenario: Scenario
    flags: Mapping[str, str] = field(default_factory=dict)
    acts: tuple[tuple[str, float, Act], ...] = ()
    warm_up: str = ""
    stops_at: str = ""
    own_gateway: bool = False

    def __str__(self) -> str:
        return self.scenario.name

    @property
    def users(self) -> bool:
        return self.scenario.rate > 0


@dataclass
class Outcome:
    """standing and route: before and after the run."""

    played: Played
    story: Story
    requests: list[Request]
    standing: Standing
    routes: tuple[Any, Any]
    left: list[str]

    @property
    def decision(self) -> Decision:
        """In the benchmark's words; its seconds are those from the first share to the end of the run's decisions."""
        return Decision(self.word, self.seconds, self.story.errors, committed=self._passed("rollback"))

    @property
    def word(self) -> str:
        if self.story.code == 0:
            return "promoted"
        if self.story.code == 3:
            return "blocked"
        return "inconclusive" if "no decision at" in self.story.errors else "stopped"

    @property
    def stopped_by(self) -> str:
        """The step that ended the run, "" for none."""
        return next((step_of(each) for each in self._ended("failed")), "")

    @property
    def seconds(self) -> float:
        """Time of the steps of SHIFT."""
        return sum(gate.until - gate.since for gate in self.story.gates() if gate.on_standby)

    @property
    def last_line(self) -> str:
        return (self.story.errors.strip().splitlines() or [""])[-1]

    def failed(self, tag: str) -> float:
        """Share of the answers of a version that were errors."""
        answers = [each for each in self.requests if each.version == tag]
        return sum(each.failed for each in answers) / len(answers) if answers else 0.0

    def seen(self, since: float = 0.0) -> dict[str, int]:
        """Requests that each version answered."""
        answered = [each.version for each in self.requests if each.version and each.at >= since]
        return {tag: answered.count(tag) for tag in sorted(set(answered))}

    def row(self) -> str:
        words = f"{self.played.scenario.name:<52} {self.word:<12} {self.stopped_by or '-':<10} exit {self.story.code}"
        return f"{words}  {self.seconds:>4.0f} s  users by version {self.seen()}"

    def _passed(self, step: str) -> bool:
        return any(step_of(each) == step for each in self._ended("done"))

    def _ended(self, state: str) -> Events:
        """The events of steps that ended so."""
        return [each for each in self.story.events if step_of(each) and each["data"]["state"] == state]


def known(name: str) -> Scenario:
    """The scenario of that name in the benchmark's table."""
    return next(each for each in SCENARIOS if each.name == name)


def kill(world: World) -> None:
    world.prometheus.kill()


def start(world: World) -> None:
    world.prometheus.start()


def forget(world: World) -> None:
    world.prometheus.forget()


def acts(act: Act) -> tuple[tuple[str, float, Act], ...]:
    """In the middle of both steps of SHIFT."""
    return ("shift 10", 5.0, act), ("shift 100", 5.0, act)


def _matrix() -> list[Played]:
    """Those of 30 % must be stopped by the first users."""
    found = []
    for each in matrix():
        first = "shift 10" if each.target.errors == 0.3 else ""
        found.append(Played(each, LONG if each.target.errors == 0.02 else {}, stops_at=first))
    return found


NOBODY = known("no traffic: wait")
ASKED = replace(
    NOBODY, name="no traffic: ask, a person promotes", right=PROMOTE, word="", policy={"gates.no-traffic": "ask"}
)
COLD = Profile(cold=45.0)  # from the start of the pod on; polite probes call it ready
WARMED = Scenario("cold target, warmed up before users come", PROMOTE, Profile(cold=8.0))
HELPLESS = replace(known("target 0% bad, current 100%"), name="current 100 % bad, no strategy asked for")
BACK = replace(known("metrics killed, and back after 2 minutes"), name="metrics killed, and back after 15 s")

PLAYED = [
    *_matrix(),
    Played(known("healthy noise on both sides, 0.4 %")),
    Played(known("target three times as slow"), stops_at="shift 10"),
    Played(known("target 10 % slower")),
    Played(known("current is the slow one")),
    Played(replace(known("target that met users cold: 20 s of failures"), target=COLD), stops_at="shift 10"),
    Played(WARMED, warm_up="/"),
    Played(known("good and bad by turns, 20 s each"), LONG | {"timeout": "90s"}),
    Played(known("good and bad by turns, 45 s each"), {"bake": "50s", "timeout": "90s"}),
    Played(known("no traffic: warm-up requests")),
    Played(NOBODY, {"timeout": "30s"}, stops_at="shift 10"),
    Played(known("no traffic: stop"), stops_at="shift 10"),
    Played(ASKED, acts=(("waiting", 0.0, World.promote),)),
    Played(known("users leave in the middle"), BETWEEN | {"timeout": "40s"}, (("shift 100", 3.0, World.leave),)),
    Played(known("metrics killed"), BETWEEN | {"timeout": "40s"}, (("shift 10", 3.0, kill),), stops_at="shift 10"),
    Played(BACK, BETWEEN, (("shift 100", 3.0, kill), ("shift 100", 18.0, start))),
    *(
        Played(known(name), BETWEEN, acts(World.reset), own_gateway=True)
        for name in ("counter reset, target good", "counter reset, healthy noise", "counter reset, target 5 % bad")
    ),
    Played(
        replace(known("counter reset, target good"), name="Prometheus loses its data, target good"),
        BETWEEN,
        acts(forget),
    ),
    Played(
        replace(known("counter reset, target 5 % bad"), name="Prometheus loses its data, target 5 % bad"),
        BETWEEN,
        acts(forget),
    ),
    Played(known("own metric misnamed")),
    Played(HELPLESS, {"strategy": "auto"}),
    Played(replace(HELPLESS, name=f"{HELPLESS.name}, target 30 % bad", target=Profile(0.3)), {"strategy": "auto"}),
]


def values_of(profile: Profile) -> list[str]:
    """What makes the make-believe containers fare as the profile says."""
    found = {"LATENCY": f"{profile.typical * 1000:.0f}ms"}
    if profile.cold:
        found |= {"ROLE": "cold", "COLD_SECONDS": f"{profile.cold:.0f}s", "COLD_LATENCY": "50ms"}
    elif profile.errors:
        found |= {"ROLE": "broken", "ERROR_RATE": f"{profile.errors:.3%}", "TURNS": f"{profile.turns:.0f}s"}
    return [f"config.SANDBOX_{name}={value}" for name, value in found.items()]


def policy_of(played: Played) -> str:
    """The policy file, in JSON: that is YAML too."""
    spec: dict[str, Any] = {"warm-up": {"path": played.warm_up}} if played.warm_up else {}
    for key, value in played.scenario.policy.items():
        group, _, name = key.partition(".")
        spec.setdefault(group, {})[name] = value
    return json.dumps({"apiVersion": "helm-safe.dev/v1alpha1", "kind": "RollbackPolicy", "spec": spec})


def play(sandbox: Sandbox, played: Played, namespace: str, folder: Path, number: int) -> Outcome:
    """Deploy both revisions, let users come, and roll back. number: another one for each that is played meanwhile."""
    world = World.made(sandbox, played, namespace, folder, number)
    try:
        world.start()
        return _rolled_back(world, played)
    finally:
        world.end()


def _rolled_back(world: World, played: Played) -> Outcome:
    player, scenario = world.player, played.scenario
    for tag, profile in ((TARGET, scenario.target), (CURRENT, scenario.current)):
        player.release(tag, *values_of(profile), f"autoscaling.minReplicas={PODS}", pods=PODS)
    player.await_route()
    flags = [word for name, value in (QUICK | dict(played.flags)).items() for word in (f"--{name}", value)]
    before = player.route()
    with player.load(RATE, seconds=500) if played.users else nullcontext() as world.load:
        time.sleep(4)
        story = player.play(*flags, "--metrics", world.prometheus.url, at=_acting(world, played))
        (player.folder / "story").write_text(str(story), encoding="utf-8")
        time.sleep(ROUTED + 2)
    requests = world.load.requests() if world.load else []
    return Outcome(played, story, requests, player.standing(), (before, player.route()), player.standby_objects())


def _acting(world: World, played: Played) -> Callable[[Events], bool]:
    """Look at each event and let happen what happens then; the run itself is never interrupted."""

    def look(events: Events) -> bool:
        data = events[-1].get("data", {})
        begun = data.get("step") if data.get("state") == "begun" else data.get("kind")
        for what, after, act in played.acts:
            if what == begun:
                threading.Timer(after, act, [world]).start()
        return False

    return look
