"""Which strategy a rollback takes and why, and the steps of each: the order that keeps users on proven pods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from helm_safe.core.objects import Object, ObjectRef, ref_of
from helm_safe.core.written import COMMIT
from helm_safe.model.errors import Blocked, UsageError
from helm_safe.model.holds import holders
from helm_safe.model.judging import time_to_decision
from helm_safe.model.neighbours import Driver
from helm_safe.model.plan import Stage, Step, Traffic, judged_share
from helm_safe.model.settings import Settings
from helm_safe.rollback import by_partition, by_ratio
from helm_safe.rollback.discovery import KnownGood, traffic_of, traffic_to
from helm_safe.rollback.pauses import pause, pauses
from helm_safe.rollback.scene import Scene
from helm_safe.rollback.traffic import router_of

STAGED = ("standby", "shift", "replicas", "partition")
CROOKED = "TRAFFIC-002"  # who accepts it takes the native rollback
RETURN_STEPS = (10, 50, 100)
"""Percent on the restored pods: they are of the version that has just proved itself, so 1 % would tell nothing new."""


def choose(scene: Scene) -> tuple[str, str]:
    """(strategy, why). Raises UsageError or Blocked for one that was asked for and cannot be had."""
    asked = scene.settings.strategy
    if scene.snapshot.drivers and asked in ("auto", *STAGED):
        return _beside(scene.snapshot.drivers[0], asked)
    if asked == "auto":
        return _found(scene)
    if asked == "standby" and not scene.snapshot.staging.staged:
        raise UsageError(f"--strategy standby: {_nothing_staged(scene)}", "Leave --strategy away, or take native.")
    if asked == "replicas" and not scene.snapshot.staging.staged:
        raise UsageError(
            f"--strategy replicas: {_nothing_staged(scene)}, and no Service alone leads to a Deployment that changes",
            "Leave --strategy away, or take native.",
        )
    if asked == "partition" and not by_partition.held(scene):
        why = "; ".join(f"{ref}: {why}" for ref, why in by_partition.free(scene)) or "no StatefulSet's pods change"
        raise UsageError(f"--strategy partition: {why}", "Leave --strategy away, or take native.")
    if asked == "shift" and scene.good is None:
        raise UsageError(
            "--strategy shift: no backend beside the release's own serves and has proved itself in all its routes",
            "Leave --strategy away, or take standby.",
        )
    if asked == "shift" and scene.good and scene.good.ready < _needed(scene):
        raise Blocked(too_small(scene.good, _needed(scene)), "Scale it up first, or leave --strategy away.")
    return asked, "you asked for it"


def _beside(driver: Driver, asked: str) -> tuple[str, str]:
    who = f"{driver.controller} drives {driver.driven} through {driver.ref}"
    if asked == "auto":
        return "native", f"{who}, and two cannot move the same users"
    raise UsageError(f"--strategy {asked}: {who}", "Leave --strategy away, or take native.")


def _found(scene: Scene) -> tuple[str, str]:
    """What fits, the best first."""
    staged, number = scene.snapshot.staging.staged, scene.snapshot.change.target.number
    if not staged:
        return without_users(scene)
    if scene.good and scene.good.ready >= _needed(scene):
        return "shift", f"a known-good backend already serves ({scene.good.proof})"
    if scene.down:
        return "express", f"{scene.down}: steps would protect nobody"
    if scene.snapshot.crooked and _accepted(scene.settings, CROOKED):
        return "native", f"users cannot be moved in steps, as you accepted: {scene.snapshot.crooked[0]}"
    if not scene.snapshot.staging.routes:
        return "replicas", "users come by a Service that no route names, so the share is the ratio of its ready pods"
    return "standby", f"revision {number} can prove itself beside the current one, with few users first"


def without_users(scene: Scene) -> tuple[str, str]:
    """What fits where no share of users can be moved."""
    held = [each for each in by_partition.held(scene) if each.pods > 1]
    if held:
        return "partition", f"{held[0].workload} can be held and let go pod by pod, a gate before each"
    for ref, why in by_partition.free(scene):
        return "native", f"{ref} cannot be let go pod by pod: {why}"
    return "native", f"{_nothing_staged(scene)}, so no share of users can be moved in steps"


def traffic(strategy: str, scene: Scene) -> Traffic | None:
    """The routes that the strategy moves."""
    if strategy == "standby":
        return traffic_of(scene.snapshot.staging, scene.snapshot.around)
    if strategy == "shift" and scene.good:
        return traffic_to(scene.good, scene.where, scene.snapshot.around)
    return None


def verify_shares(moved: Traffic | None, settings: Settings) -> None:
    """Raise UsageError for a first step that is smaller than what a route can give."""
    for route in moved.routes if moved else ():
        least = router_of(route.router).least
        if settings.steps[0] < least:
            raise UsageError(
                f"a step of {settings.steps[0]:g} % is too small for {route.ref}: it can give {least:.2g} % at least",
                "Begin with a larger one (--steps).",
            )


def before_commit(strategy: str, scene: Scene) -> Iterator[Step]:
    """What comes between AUTOPSY and the native rollback; ISOLATE even comes before AUTOPSY."""
    if strategy == "standby":
        yield from _standby(scene)
        yield from _shift(scene)
        yield Step("join", Stage.COMMIT, "join", "let the standby's pods serve the release's own Services too")
        yield _drain(scene)
        yield Step("forget", Stage.COMMIT, "forget", "leave no field manager that Helm would meet")
    if strategy == "shift":
        yield from _hold(scene)
        before = f"the native rollback (all users are at {scene.good})"
        yield from pause(scene.settings, (COMMIT,), before, Stage.COMMIT, "isolate")
        yield Step("bridge", Stage.COMMIT, "bridge", "let the known-good pods serve the release's own Services too")
        yield _drain(scene)
        yield Step("forget", Stage.COMMIT, "forget", "leave no field manager that Helm would meet")
    if strategy == "replicas":
        yield from _standby(scene)
        yield from by_ratio.shift(scene)
    if strategy == "partition":
        yield from by_partition.before(scene)
    if strategy in ("express", "native"):
        # Without steps whoever wanted to be asked at one of them is asked once, before everything.
        before = "the native rollback (users cannot be moved in steps)"
        yield from pause(scene.settings, (*pauses(scene.settings), COMMIT), before, Stage.COMMIT)


def _standby(scene: Scene) -> Iterator[Step]:
    yield from _hold(scene)
    names = ", ".join(f"Deployment/{each.standby}" for each in scene.snapshot.staging.staged)
    number = scene.snapshot.change.target.number
    yield Step("standby", Stage.STANDBY, "standby", f"bring up revision {number} beside the current one as {names}")
    yield Step("ready", Stage.STANDBY, "ready", f"wait until its pods are up, and {_warming('them', scene)}")


def _shift(scene: Scene) -> Iterator[Step]:
    steps, settings = scene.settings.steps, scene.settings
    for percent, following in pairwise((*steps, 0)):
        title, name = f"{percent} % of the users to the standby", f"shift {percent}"
        yield Step(name, Stage.SHIFT, "weights", title, _weights(scene, percent, "canary"))
        if following:
            before = f"{following} % of the users go to the standby ({percent} % now)"
            yield from pause(settings, (percent,), before, Stage.SHIFT, name)
    before = "the native rollback (all users are at the standby)"
    yield from pause(settings, (100, COMMIT), before, Stage.SHIFT, name)


def isolation(scene: Scene) -> Step:
    return Step(
        "isolate",
        Stage.ISOLATE,
        "isolate",
        f"all users to {scene.good}, now",
        {"share": 100, "to": str(scene.good)},
    )


def after_rollback(strategy: str, scene: Scene) -> Iterator[Step]:
    """What comes right after the native call, before anything else."""
    if strategy in ("standby", "shift"):
        yield Step(
            "reassert", Stage.COMMIT, "reassert", "keep all users on proven pods, whatever Helm wrote", {"share": 100}
        )
    if strategy == "replicas":
        yield Step("reassert", Stage.COMMIT, "hold again", "see that proven pods serve the release's own Services")
    if strategy == "partition":
        yield from by_partition.after(scene)


def after_watch(strategy: str, scene: Scene) -> Iterator[Step]:
    """The way back of users to the release's own Services, and the end of what was made for the run."""
    if strategy not in ("native", "partition"):
        title = _warming("the restored pods", scene)
        yield Step("warm", Stage.WATCH, "warm", title, {"workloads": scene.workloads})
    if strategy in ("native", "express", "partition"):
        yield from _users(scene)
        yield from by_partition.end(scene) if strategy == "partition" else ()
        return
    if strategy == "replicas":
        yield from by_ratio.come_back(scene)
        yield from _tidy(scene)
        return
    leave = "take the standby's pods out of the release's own Services"
    if strategy == "standby":
        yield Step("leave", Stage.RETURN, "leave", leave)
    else:
        yield Step("unbridge", Stage.RETURN, "remove", "take the known-good pods out of the release's own Services")
    for percent, following in pairwise((*return_shares(strategy, scene.settings.steps), 0)):
        title, name = f"{percent} % of the users to the restored pods", f"return {percent}"
        yield Step(name, Stage.RETURN, "weights", title, _weights(scene, 100 - percent, "stable"))
        if strategy == "shift":  # the restored pods of a standby's run are of the version that was approved
            then = f"{following} % of the users go to the restored pods" if following else "the routes are put back"
            yield from pause(scene.settings, (percent,), f"{then} ({percent} % are there now)", Stage.RETURN, name)
    yield Step("routes", Stage.CLEANUP, "routes", "put the routes back exactly", {"share": None})
    yield from _tidy(scene, standby=strategy == "standby")


def _tidy(scene: Scene, *, standby: bool = True) -> Iterator[Step]:
    if standby:
        yield Step("remove", Stage.CLEANUP, "remove", "delete the standby")
    if holds(scene):
        yield Step("release", Stage.CLEANUP, "release", "put the autoscalers back exactly")


def _users(scene: Scene) -> Iterator[Step]:
    """Without gates on the way users tell at the end, where the gateway's counters can be read."""
    services = sorted({door.service for door in scene.snapshot.staging.doors() if door.routes})
    if services and not scene.snapshot.blind:
        title = "see what users get from the restored pods: success rate and latency"
        yield Step("users", Stage.WATCH, "users", title, {"services": services, "bake": scene.settings.bake})


def return_shares(strategy: str, steps: Sequence[float]) -> Sequence[float]:
    """Percent of the users on the restored pods, step by step."""
    return RETURN_STEPS if strategy == "standby" else steps


def gated_shares(strategy: str, steps: Sequence[float]) -> list[float]:
    """Percent of the users on whoever is judged, of every step that has a gate; each share once, in rising order."""
    there = set(steps) if strategy == "standby" else set()
    return sorted(there | set(return_shares(strategy, steps))) if strategy in ("standby", "shift") else []


def undo(strategy: str, scene: Scene) -> tuple[Step, ...]:
    """Before COMMIT: everything back, in an order in which users always have ready pods."""
    if strategy == "partition":
        return by_partition.undo(scene)
    if strategy not in ("standby", "shift", "replicas"):
        return ()
    back = "pods back" if strategy == "replicas" else "refill"
    safe = "leave" if strategy == "replicas" else "safe"
    steps = [
        Step("undo drain", Stage.CLEANUP, back, "bring back the pods of before", {"wanted": scene.replicas}),
        Step("undo routes", Stage.CLEANUP, safe, "users to where they are safe"),
        Step("undo standby", Stage.CLEANUP, "remove", "delete what this run made"),
    ]
    if holds(scene):
        steps.append(Step("undo hold", Stage.CLEANUP, "release", "put the autoscalers back exactly"))
    return tuple(steps)


def hold_users(strategy: str, scene: Scene) -> tuple[Step, ...]:
    """After COMMIT: users to the backend that has proved itself."""
    if strategy == "partition":
        return by_partition.stay(scene)
    if strategy not in ("standby", "shift", "replicas"):
        return ()
    action = "keep pods" if strategy == "replicas" else "keep"
    return (Step("keep", Stage.RETURN, action, "all users to the backend that has proved itself", {"share": 100}),)


def holds(scene: Scene) -> list[list[object]]:
    """The autoscalers of the staged workloads: [group, kind, name, captured count]."""
    live: list[Object] = list(scene.snapshot.live.values())
    return [
        [*_identity(ref), each.replicas]
        for each in scene.snapshot.staging.staged
        for ref in _refs(holders(live, each.workload))
    ]


def floors(strategy: str, scene: Scene, wanted: dict[str, int]) -> dict[str, int]:
    """Pods that each Service must have ready for all of its users."""
    found = {}
    for each in scene.snapshot.staging.staged:
        for door in each.doors:
            found[door.service] = wanted.get(str(each.workload), each.replicas)
            if strategy == "standby":
                found[door.standby] = each.replicas
    return found


def too_small(good: KnownGood, needed: int) -> str:
    """Why not everybody can go there."""
    return f"{good} has too few ready pods to carry all users: {good.ready}, while {needed} serve now"


def _accepted(settings: Settings, check: str) -> bool:
    return check in settings.accept or any(waiver.check == check for waiver in settings.waivers)


def _needed(scene: Scene) -> int:
    return max((each.replicas for each in scene.snapshot.staging.staged), default=1)


def _nothing_staged(scene: Scene) -> str:
    staging = scene.snapshot.staging
    if staging.follow:
        ref, why = staging.follow[0]
        return f"{ref}: {why}"
    return "no workload's pods change" if staging.alone else "the target has no workload that serves"


def _hold(scene: Scene) -> Iterator[Step]:
    names = [f"{kind}/{name}" for _, kind, name, _ in holds(scene)]
    if names:
        yield Step("hold", Stage.STANDBY, "hold", f"hold {', '.join(names)}, so that idle pods are not scaled away")


def _drain(scene: Scene) -> Step:
    title = f"scale {', '.join(scene.workloads)} to 0: nobody uses those pods any more"
    return Step("drain", Stage.COMMIT, "drain", title, {"workloads": scene.workloads})


def _weights(scene: Scene, share: float, trial: str) -> dict[str, object]:
    """share: of the Services beside the release's own. trial: which side is judged, in the routers' words.

    eta: seconds until the step can be decided as users come now, None where they do not.
    """
    bake, minimum = scene.settings.bake, scene.settings.resolved.value("gates.minimum-requests")
    args = {"share": share, "trial": trial, "bake": bake, "workloads": scene.workloads}
    needed = time_to_decision(scene.rate, judged_share(args) / 100, minimum)
    return {**args, "eta": max(needed, bake) if math.isfinite(needed) else None}


def _refs(objects: list[Object]) -> Iterator[ObjectRef]:
    return (ref_of(obj) for obj in objects)


def _identity(ref: ObjectRef) -> tuple[str, str, str]:
    return ref.group, ref.kind, ref.name


def _warming(whom: str, scene: Scene) -> str:
    off = not scene.settings.resolved.value("warm-up.least")
    return f"do not warm {whom} up (warm-up.least: 0)" if off else f"warm {whom} up with requests of our own"
