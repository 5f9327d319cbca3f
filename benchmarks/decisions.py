"""Scenarios against decisions: `python -m benchmarks decisions [REPETITIONS [PART OF A NAME]]`.

Whole rollbacks of the real program over simulated users, who come and fare by chance, each with a seed of its own. One
line per scenario; exit 1 when a version that must not be promoted was, even once, or when one that is good was stopped
in 5 % of the runs or more. What is right is said in `SCENARIOS`, and nowhere else.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helm_safe.model.traffic import NoData
from tests.fakes.crowd import Monitor, Profile
from tests.fakes.gateway import BUCKETS
from tests.fakes.trials import Act, Decision, Trial

REPETITIONS = 20
MEMORY = Path("/dev/shm")  # the journals' mirror is flushed at every record; no disk shall set the pace
WRONG_STOPS = 0.05
GOOD, NOISY = Profile(), Profile(errors=0.004)
FINE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))  # Prometheus' own default buckets

PROMOTE, STOP = "promote", "stop"
"""What is right. PROMOTE: the run succeeds. STOP: the release is untouched, whatever the reason (a gate that fails, no
decision in time, a person, a finding)."""


@dataclass(frozen=True)
class Scenario:
    """right: PROMOTE or STOP. word: the one decision that may be, "" where any of `right` will do."""

    name: str
    right: str
    target: Profile = GOOD
    current: Profile = GOOD
    word: str = ""
    rate: float = 100.0
    buckets: tuple[float, ...] = BUCKETS
    policy: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, Any] = field(default_factory=dict)
    acts: tuple[tuple[str, float, Act], ...] = ()
    monitor: str = ""

    def holds(self, decision: Decision) -> bool:
        good = not decision.committed if self.right == STOP else decision.word == "promoted"
        return good and self.word in ("", decision.word)


def mute(trial: Trial) -> None:
    trial.crowd.mute = True


def heal(trial: Trial) -> None:
    trial.crowd.mute = False


def freeze(trial: Trial) -> None:
    trial.crowd.frozen = {}


def restart(trial: Trial) -> None:
    trial.crowd.restart()


def spoil(trial: Trial) -> None:
    """The target turns bad when everybody believes in it."""
    trial.crowd.profiles = {
        key: Profile(0.3) if key.start == 3.0 else each for key, each in trial.crowd.profiles.items()
    }


def leave(trial: Trial) -> None:
    """Users go home."""
    trial.crowd.rate = 0.0


def promote(trial: Trial) -> None:
    trial.ask("promote")


def abort(trial: Trial) -> None:
    trial.ask("abort")


def monitored(kind: str, seed: int) -> Monitor | None:
    """What a monitoring system says of the depth of a queue per Service; the target's is `-standby` before COMMIT."""
    chance = random.Random(f"{kind} {seed}")
    worse = {"deeper": 2.0, "alike": 1.0, "slightly": 1.04}.get(kind, 1.0)
    known: dict[tuple[str, float], float] = {}

    def value(query: str, at: float) -> float:
        if kind == "misnamed":
            raise NoData("there is no metric depht_of_queue")
        if kind == "dies" and "standby" in query:
            raise NoData("nobody answers")
        level = 20.0 * (worse if "standby" in query else 1.0)
        return known.setdefault((query, at), level * chance.lognormvariate(0, 0.2))

    return Monitor(value) if kind else None


QUEUE = {"gates.queries": [{"name": "queue", "query": 'depth{service="$service"}', "worse": "higher", "max": 100}]}
FIRST, HALF, WHOLE = "1 % of the users to the standby", "50 % of the users to the standby", "100 % of the users to the"


def matrix() -> list[Scenario]:
    """Target against current: 2 % and more miss the floor of 99 %, however bad the current version is."""
    found = []
    for target in (0.0, 0.02, 0.05, 0.3):
        for current in (0.0, 0.05, 0.4, 1.0):
            name = f"target {target:.0%} bad, current {current:.0%}"
            found.append(Scenario(name, STOP if target else PROMOTE, Profile(target), Profile(current)))
    return found


SCENARIOS = (
    *matrix(),
    Scenario("healthy noise on both sides, 0.4 %", PROMOTE, NOISY, NOISY),
    Scenario("target three times as slow", STOP, Profile(typical=0.15), GOOD),
    Scenario("target three times as slow, fine buckets", STOP, Profile(typical=0.15), GOOD, buckets=FINE),
    Scenario("every tenth answer takes seconds", STOP, Profile(typical=0.05, spread=2.2), GOOD),
    Scenario("target 10 % slower", PROMOTE, Profile(typical=0.055), GOOD),
    Scenario("target 10 % slower, fine buckets", PROMOTE, Profile(typical=0.055), GOOD, buckets=FINE),
    Scenario("current is the slow one", PROMOTE, GOOD, Profile(typical=0.4)),
    Scenario("target that met users cold: 20 s of failures", STOP, Profile(cold=20.0), GOOD),
    Scenario("good and bad by turns, 20 s each", STOP, Profile(0.3, turns=20.0), Profile(0.4)),
    Scenario("good and bad by turns, 45 s each", STOP, Profile(0.3, turns=45.0), GOOD),
    Scenario("target turns bad at 100 %", STOP, acts=((WHOLE, 10.0, spoil),)),
    Scenario("5 requests/s, good", PROMOTE, rate=5.0),
    Scenario("5 requests/s, target 30 % bad", STOP, Profile(0.3), rate=5.0, flags={"steps": "10,50,100"}),
    Scenario("5 requests/s, target 5 % bad", STOP, Profile(0.05), rate=5.0, flags={"steps": "10,50,100"}),
    Scenario("no traffic: warm-up requests", PROMOTE, rate=0.0),
    Scenario("no traffic: wait", STOP, rate=0.0, word="inconclusive", policy={"gates.no-traffic": "wait"}),
    Scenario("no traffic: stop", STOP, rate=0.0, word="stopped", policy={"gates.no-traffic": "stop"}),
    Scenario(
        "no traffic: ask, a person aborts after an hour",
        STOP,
        rate=0.0,
        word="aborted",
        policy={"gates.no-traffic": "ask"},
        acts=((FIRST, 3600.0, abort),),
    ),
    Scenario("users leave in the middle", STOP, acts=((HALF, 20.0, leave),), word="inconclusive"),
    Scenario("metrics killed", STOP, acts=((HALF, 10.0, mute),), word="inconclusive"),
    Scenario("metrics killed, and back after 2 minutes", PROMOTE, acts=((HALF, 10.0, mute), (HALF, 130.0, heal))),
    Scenario(
        "counters stand still, target 30 % bad from then on", STOP, acts=((HALF, 1.0, freeze), (HALF, 1.0, spoil))
    ),
    Scenario("counter reset, target good", PROMOTE, acts=((FIRST, 30.0, restart), (HALF, 30.0, restart))),
    Scenario(
        "counter reset, healthy noise", PROMOTE, NOISY, NOISY, acts=((FIRST, 30.0, restart), (HALF, 30.0, restart))
    ),
    Scenario(
        "counter reset, target 5 % bad", STOP, Profile(0.05), acts=((FIRST, 30.0, restart), (HALF, 30.0, restart))
    ),
    Scenario("own metric misnamed", STOP, policy=QUEUE, monitor="misnamed", word="blocked"),
    Scenario("own metric alike", PROMOTE, policy=QUEUE, monitor="alike"),
    Scenario("own metric 4 % worse", PROMOTE, policy=QUEUE, monitor="slightly"),
    Scenario("own metric twice as bad", STOP, policy=QUEUE, monitor="deeper", word="stopped"),
    Scenario("own metric without an answer for the target", STOP, policy=QUEUE, monitor="dies", word="inconclusive"),
)


def decide(scenario: Scenario, seed: int) -> Decision:
    """One simulated rollback."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return Trial(
            Path(folder),
            scenario.target,
            scenario.current,
            scenario.rate,
            seed,
            scenario.buckets,
            scenario.flags,
            scenario.policy,
            monitor=monitored(scenario.monitor, seed),
            acts=scenario.acts,
        ).run()


def row(scenario: Scenario, decisions: list[Decision]) -> tuple[str, bool]:
    """The line of the table, and whether the scenario holds."""
    words = [each.word for each in decisions]
    wrong = sum(not scenario.holds(each) for each in decisions)
    holds = wrong == 0 if scenario.right == STOP else wrong < WRONG_STOPS * len(decisions)
    counts = [words.count(each) for each in ("promoted", "stopped", "inconclusive")]
    others = ", ".join(f"{words.count(each)} {each}" for each in sorted({"aborted", "blocked"} & set(words)))
    seconds = statistics.median(each.seconds for each in decisions)
    mark = "ok  " if holds else "FAIL"
    cells = "  ".join(f"{count:>4}" for count in counts)
    return f"{mark} {scenario.name:<52} {scenario.right:<8} {cells}  {wrong:>5}  {seconds:>6.0f} s  {others}", holds


def main(arguments: Sequence[str]) -> int:
    """arguments: repetitions, and a part of the scenarios' names; both may be left out."""
    repetitions, names = int(arguments[0]) if arguments else REPETITIONS, "".join(arguments[1:2])
    chosen = [each for each in SCENARIOS if names in each.name]
    print(f"     {'scenario':<52} {'right':<8} prom  stop  inco  wrong  to decide")
    good = True
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        runs = [[pool.submit(decide, each, seed) for seed in range(repetitions)] for each in chosen]
        for scenario, futures in zip(chosen, runs, strict=True):
            line, holds = row(scenario, [each.result() for each in futures])
            good = good and holds
            print(line, flush=True)
    print("it holds" if good else "it does not hold")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
