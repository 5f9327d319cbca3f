"""The steps of `replicas`: users come by Services that no route names, so shares are ratios of ready pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from helm_safe.core.objects import dig
from helm_safe.core.written import COMMIT
from helm_safe.model.plan import Stage, Step
from helm_safe.model.ratio import Choices, Move, homeward, honest, moves, outward, share_words
from helm_safe.model.staging import Staged, autoscaler_of, count_before
from helm_safe.rollback.pauses import pause

if TYPE_CHECKING:
    from helm_safe.rollback.scene import Scene

RETURN_STEPS = (10, 50, 100)


def shift(scene: Scene) -> Iterator[Step]:
    """More and more of the standby's pods, then fewer and fewer of the live ones, to none."""
    found = moves(scene.settings.steps, out(scene))
    for move, following in zip_longest(found, found[1:]):
        words, name = share_words(move.share), f"shift {share_words(move.share)}"
        title = f"{words} % of the users to the standby: {_pods(move)}"
        joined = {workload: ratio.trial for workload, ratio in move.ratios.items()}
        live = {workload: ratio.other for workload, ratio in move.ratios.items()}
        yield Step(name, Stage.SHIFT, "ratio", title, _args(scene, move.share, "canary", joined, live))
        if following:
            before = f"{share_words(following.share)} % of the users go to the standby ({words} % now)"
            yield from pause(scene.settings, move.asked, before, Stage.SHIFT, name)
        else:
            before = "the native rollback (all users are at the standby)"
            yield from pause(scene.settings, (100, COMMIT), before, Stage.SHIFT, name)


def come_back(scene: Scene) -> Iterator[Step]:
    """The other way round, onto the restored pods."""
    for move in moves(RETURN_STEPS, home(scene)):
        words = share_words(move.share)
        title = f"{words} % of the users to the restored pods: {_pods(move)}"
        joined = {workload: ratio.other for workload, ratio in move.ratios.items()}
        live = {workload: ratio.trial for workload, ratio in move.ratios.items()}
        yield Step(
            f"return {words}", Stage.RETURN, "ratio", title, _args(scene, 100 - move.share, "stable", joined, live)
        )
    title = "see that the release's own Services have the release's own pods alone"
    yield Step("routes", Stage.CLEANUP, "left", title, {"share": None})


def first_pods(scene: Scene) -> dict[str, int]:
    """The restored pods with which WATCH begins, of each staged workload."""
    return {name: ratios[0].trial for name, ratios in home(scene).items()}


def out(scene: Scene) -> Choices:
    return {str(each.workload): outward(each.replicas, fixed=_scaled(scene, each)) for each in _staged(scene)}


def home(scene: Scene) -> Choices:
    return {
        str(each.workload): homeward(
            each.replicas, _after(scene, each), fixed=_scaled(scene, each) or _stated(scene, each)
        )
        for each in _staged(scene)
    }


def told(scene: Scene) -> Iterator[str]:
    """What a plan says of shares and of users who do not follow them."""
    yield from honest(scene.settings.steps, out(scene))
    for each in _staged(scene):
        if _scaled(scene, each):
            yield f"{each.workload} has an autoscaler, so it keeps all of its pods until it has none"
        if _scaled(scene, each) or _stated(scene, each):
            yield (
                f"the restored pods of {each.workload} come up all at once and serve as soon as they are ready, "
                f"{_after(scene, each)} beside {each.replicas} proven ones"
            )
        else:
            yield f"of the restored pods of {each.workload} one comes up first, beside {each.replicas} proven ones"
    yield "a connection that stays open keeps its pod: new ones are shared out as the steps say"


def _stated(scene: Scene, each: Staged) -> bool:
    """Whether helm itself brings all of the restored pods up."""
    return dig(scene.snapshot.change.target.objects[each.workload], "spec", "replicas") is not None


def _scaled(scene: Scene, each: Staged) -> bool:
    return autoscaler_of(scene.snapshot.live, each.workload) is not None


def _after(scene: Scene, each: Staged) -> int:
    """Pods after the rollback, as `planning.replicas_wanted` says."""
    declared = dig(scene.snapshot.change.target.objects[each.workload], "spec", "replicas")
    if declared is not None and not _scaled(scene, each):
        return int(declared)
    return count_before(scene.snapshot.live, each.workload, declared)


def _staged(scene: Scene) -> tuple[Staged, ...]:
    return scene.snapshot.staging.staged


def _args(scene: Scene, share: float, trial: str, joined: Mapping[str, int], live: Mapping[str, int]) -> dict[str, Any]:
    """share: of the standby. services: for which the user's own metrics are asked."""
    return {
        "share": round(share, 2),
        "trial": trial,
        "bake": scene.settings.bake,
        "workloads": list(live),
        "joined": dict(joined),
        "live": dict(live),
        "services": sorted({door.service for door in scene.snapshot.staging.doors()}),
    }


def _pods(move: Move) -> str:
    """How many pods that is."""
    each = [(name, ratio) for name, ratio in move.ratios.items()]
    words = [f"{ratio.trial} of {ratio.trial + ratio.other} pods" for _, ratio in each]
    return (
        words[0]
        if len(each) == 1
        else ", ".join(f"{told} of {name}" for told, (name, _) in zip(words, each, strict=True))
    )
