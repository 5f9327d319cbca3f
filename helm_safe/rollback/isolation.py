"""The command `isolate`: all users to a known-good backend within seconds, before anybody thinks about a rollback."""

from __future__ import annotations

from typing import Any

from helm_safe.core.objects import Object, ObjectRef, ref_of
from helm_safe.model.errors import Blocked, Forbidden, UsageError
from helm_safe.model.evidence import current_of
from helm_safe.model.plan import Plan, Stage, Step
from helm_safe.model.resources import DEPLOYMENTS, PODS, SERVICES, STATEFUL_SETS
from helm_safe.model.revisions import Release, Revision
from helm_safe.model.routes import Around
from helm_safe.model.settings import Asked, Settings
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Confirm
from helm_safe.rollback.context import Run, World, in_parallel
from helm_safe.rollback.control import begin, finish, seat
from helm_safe.rollback.discovery import KnownGood, Search, context_kinds, route_kinds, routed, traffic_to
from helm_safe.rollback.runs import refuse_if_unfinished, standing_isolation
from helm_safe.rollback.strategy import too_small


def isolate(world: World, release: Release, to: str, asked: Asked, confirm: Confirm) -> Run:
    """Move all users to the backend named `to` ("" for the one that is found), after proof and consent.

    Raises UsageError where there is none that has proved itself, Blocked where it is too small or nobody agrees.
    """
    history = world.releases.history(release)
    current = current_of(history) or history.last
    settings = asked.settle(current, None)
    with seat(world, release) as held:
        refuse_if_unfinished(held.world, release)
        search = _search(held.world, release, current, settings, to)
        good = _good(search)
        plan = _plan(search, good, isolated=standing_isolation(held.world, release) is not None)
        where = ", ".join(str(route.ref) for route in plan.traffic.routes) if plan.traffic else ""
        if not settings.yes and not confirm(f"Send all users of {where} to {good} ({good.proof})?"):
            raise Blocked("you said no; nothing was touched")
        return finish(begin(held, plan, settings))


def _search(world: World, release: Release, current: Revision, settings: Settings, to: str) -> Search:
    """What is at hand: a LIST per kind, in parallel; nothing is asked of the gateway, which would take seconds."""
    live = _live(world, release)
    where = routed(Around(live), release, settings.resolved.value("route"))
    return Search(world, release, (current,), live, where, {}, settings, to)


def _good(search: Search) -> KnownGood:
    if not search.own():
        kinds = ", ".join(sorted({kind for _, kind in route_kinds()}))
        raise UsageError(
            f"no route of namespace {search.release.namespace} sends users to a Service of release {search.release}",
            f"Routes of these kinds can be moved: {kinds}.",
        )
    good = search.known_good()
    if good is None:
        raise UsageError(
            f"there is nowhere to isolate the users of {search.release} to: {search.missing()}; nothing was touched",
            "A backend with ready pods of another version must stand in the same rules, also with a weight of 0; "
            "`--to SERVICE` names it.",
        )
    if good.ready < search.needed():
        raise Blocked(too_small(good, search.needed()), "Scale it up first.")
    return good


def _live(world: World, release: Release) -> dict[ObjectRef, Object]:
    served = world.cluster.served()
    kinds = [served.preferred(*kind) for kind in sorted(route_kinds() | context_kinds())]
    core: list[Resource] = [SERVICES, PODS, DEPLOYMENTS, STATEFUL_SETS]
    wanted = [*core, *filter(None, kinds)]

    def listed(resource: Resource) -> list[Object]:
        """Of a kind of routes that may not be listed none is known."""
        try:
            return world.cluster.list(resource, release.namespace if resource.namespaced else "").items
        except Forbidden:
            if resource in core:
                raise
            return []

    return {ref_of(obj): obj for items in in_parallel(listed, wanted) for obj in items}


def _plan(search: Search, good: KnownGood, *, isolated: bool) -> Plan:
    step = Step("isolate", Stage.ISOLATE, "isolate", f"all users to {good}, now", {"share": 100, "to": str(good)})
    settings, current = search.settings, search.revisions[0]
    remembered: dict[str, Any] = {
        "bake": settings.bake,
        "timeout": settings.timeout,
        "options": settings.resolved.to_json(),
        "isolated": isolated,
        "charted": [],
    }
    return Plan(
        namespace=search.release.namespace,
        release=search.release.name,
        current=current.number,
        target=current.number,
        strategy="isolate",
        why=f"you asked for it ({good.proof})",
        steps=(step,),
        settings=remembered,
        undo=(Step("undo routes", Stage.CLEANUP, "safe", "users to where they are safe"),),
        traffic=traffic_to(good, search.where, search.around),
    )
