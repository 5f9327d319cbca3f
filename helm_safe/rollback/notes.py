"""What a plan says beside its steps: how workloads are treated, and what native rollback will do to each route."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import ObjectRef
from helm_safe.model.judging import decision_words
from helm_safe.model.plan import Traffic
from helm_safe.rollback.inspect import applies_server_side
from helm_safe.rollback.strategy import Scene


def notes(strategy: str, scene: Scene, moved: Traffic | None) -> Iterator[str]:
    """Sentences, the treatment of workloads first."""
    staging = scene.snapshot.staging
    for each in staging.staged if strategy in ("standby", "shift", "express") else ():
        doors = ", ".join(f"Service/{door.service}" for door in each.doors)
        yield f"{each.workload} is staged: {each.replicas} pods, users come by {doors}"
    for ref, why in staging.follow:
        yield f"{ref} follows with the native rollback: {why}"
    for ref in staging.alone:
        yield f"{ref} is left alone: its pods do not change"
    for route in moved.routes if moved else ():
        yield f"{route.ref}: {fate(scene, route.ref)}"
    for kind in scene.snapshot.near if moved else ():
        yield f"{kind} of other namespaces: you may not list them, so nobody looked whether one sends users here"
    if strategy == "standby" and scene.rate > 0:
        minimum = scene.settings.resolved.value("gates.minimum-requests")
        yield "until a decision, " + decision_words(scene.rate, scene.settings.steps[0] / 100, minimum)


def fate(scene: Scene, route: ObjectRef) -> str:
    """What the native rollback does to a route whose weights we move, and what becomes of it."""
    change, settings = scene.snapshot.change, scene.settings
    before, after = change.current.objects.get(route), change.target.objects.get(route)
    if after is None and before is None:
        return "not in the chart, helm leaves it alone; in the end it is as it was, exactly"
    if after is None:
        return f"helm deletes it, because revision {change.target.number} has none"
    if scene.snapshot.helm.major >= 4 and applies_server_side(change.target, settings):
        return (
            "helm points it at the release's own Services during the roll (server-side apply); proven pods serve those "
            f"too, the weights are set again at once, and in the end it is revision {change.target.number}'s"
        )
    if before == after:
        return "the same in both revisions, so helm leaves the weights alone; in the end it is as it was, exactly"
    return (
        f"helm writes revision {change.target.number}'s rules, which differ; the weights are set again at once, and in "
        "the end it is that revision's"
    )
