"""What a plan says beside its steps: how workloads are treated, and what native rollback will do to each route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helm_safe.core.objects import ObjectRef, dig
from helm_safe.model.gates import span_words
from helm_safe.model.judging import decision_words
from helm_safe.model.plan import Traffic
from helm_safe.rollback import by_partition, by_ratio
from helm_safe.rollback.discovery import router_for
from helm_safe.rollback.inspect import applies_server_side
from helm_safe.rollback.queries import queries_in
from helm_safe.rollback.scene import Scene
from helm_safe.rollback.strategy import gated_shares

CARRIER = "made by this run to carry the weights, and deleted in the end; the Ingress beside it stays as it is"


def notes(strategy: str, scene: Scene, moved: Traffic | None, left_out: Sequence[str] = ()) -> Iterator[str]:
    """Sentences, the treatment of workloads first. left_out: queries that were accepted as unanswered."""
    staging = scene.snapshot.staging
    for each in staging.staged if strategy in ("standby", "shift", "replicas", "express") else ():
        doors = ", ".join(f"Service/{door.service}" for door in each.doors)
        yield f"{each.workload} is staged: {each.replicas} pods, users come by {doors}"
    held = {each.workload for each in by_partition.held(scene)} if strategy == "partition" else set()
    for ref, why in (each for each in staging.follow if each[0] not in held):
        yield f"{ref} follows with the native rollback: {why}"
    for ref in staging.alone:
        yield f"{ref} is left alone: its pods do not change"
    for route in moved.routes if moved else ():
        yield f"{route.ref}: {CARRIER if route.ours else fate(scene, route.ref)}"
    yield from _pinned(scene) if moved else ()
    for kind in scene.snapshot.near if moved else ():
        yield f"{kind} of other namespaces: you may not list them, so nobody looked whether one sends users here"
    if left_out and moved:
        yield f"the gates go without {', '.join(left_out)}, as you accepted: no answer came while planning"
    yield from by_ratio.told(scene) if strategy == "replicas" else ()
    yield from by_partition.told(scene) if strategy == "partition" else ()
    yield from connections(strategy, scene)
    yield from decisions(strategy, scene)


def connections(strategy: str, scene: Scene) -> Iterator[str]:
    """What the Services and budgets of the staged workloads mean for a run."""
    for service in dict.fromkeys(each.service for each in scene.snapshot.staging.doors()):
        live = scene.snapshot.live.get(ObjectRef("", "Service", scene.snapshot.history.release.namespace, service))
        if strategy != "express" and dig(live, "spec", "sessionAffinity") == "ClientIP":
            yield f"Service/{service} has sessionAffinity ClientIP: who has a pod keeps it, so the share is of clients"
        if strategy == "replicas" and dig(live, "spec", "clusterIP") == "None":
            yield f"Service/{service} is headless: clients choose among its addresses, as often as they look them up"
    if scene.snapshot.of_kind("policy", "PodDisruptionBudget") and strategy in ("standby", "shift", "replicas"):
        yield "disruption budgets hold evictions alone: pods that nobody uses are scaled down, which they do not count"


def decisions(strategy: str, scene: Scene) -> Iterator[str]:
    """Until when each step can be decided, as users come now."""
    shares = gated_shares(strategy, scene.settings.steps)
    minimum, bake = scene.settings.resolved.value("gates.minimum-requests"), scene.settings.bake
    if shares and scene.rate > 0:
        told = [decision_words(scene.rate, share / 100, minimum) for share in shares]
        yield f"until a decision, each at least the bake of {span_words(bake)} unless clearly better: {'; '.join(told)}"
    elif shares and not scene.snapshot.blind:
        yield f"until a decision: no requests were seen, so gates.no-traffic counts ({_no_traffic(scene)})"
    asked = queries_in(scene.settings.resolved)
    if shares and asked:
        names = ", ".join(each.name for each in asked)
        yield f"metrics of your own at each gate: {names} ({max(each.readings for each in asked)} readings)"


def _pinned(scene: Scene) -> Iterator[str]:
    """Rules for testers and the like, and what becomes of them."""
    around, left = scene.snapshot.around, scene.settings.resolved.value("pinned") == "leave"
    for door in scene.snapshot.staging.doors():
        for ref in door.routes:
            router = router_for(around.objects[ref], around)
            for where in router.pinned(around.objects[ref], door.service) if router else ():
                fate = "is left alone, as you asked" if left else "moves as well (--pinned leave lets it stay)"
                yield f"{ref}: {where} is for requests with a certain header or cookie and {fate}"


def _no_traffic(scene: Scene) -> str:
    return str(scene.settings.resolved.value("gates.no-traffic"))


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
