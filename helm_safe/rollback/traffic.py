"""Moving the routes of a run: captured before the first write, patched only where ours, never over another's edit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from math import ceil
from typing import NamedTuple

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, ObjectRef, dig, is_ready, labels_of, ref_of, sequence
from helm_safe.model.errors import Conflict, HelmSafeError
from helm_safe.model.plan import Moved, Stage, Step
from helm_safe.model.records import Kind
from helm_safe.model.resources import ENDPOINT_SLICES, PODS, SERVICE_NAME, SERVICES
from helm_safe.model.routes import Around, RouteCapture, Weight, subset_of
from helm_safe.model.snapshot import Resource
from helm_safe.model.subsets import DESTINATION_RULE, pods_of
from helm_safe.ports import Cluster, TrafficRouter
from helm_safe.registry import load
from helm_safe.rollback.context import Run
from helm_safe.routers import BUILTIN

OBJECTS = "standby objects"  # the record of what the run makes, written before the first of it
TRIES = 10  # gateways write status beside us, and each write of theirs costs us a try
CONVERGE_WITHIN = 30.0
SETTLE = 3.0  # seconds from the controller's word until the last proxy follows
POLL = 1.0


class Stuck(HelmSafeError):
    """A route cannot be moved: another writer's edit stands in the way, it is gone, or nobody carries it out.

    passing: it may mend itself within seconds. foreign: another writer's edit stands in the way.
    """

    passing = False
    foreign = False


class Route(NamedTuple):
    """A route with all that is needed to move it."""

    moved: Moved
    router: TrafficRouter
    resource: Resource

    @property
    def ref(self) -> ObjectRef:
        return self.moved.ref

    def weights(self, shares: Sequence[float | None]) -> list[Weight | None]:
        return [None if share is None else Weight(share) for share in shares]


def router_of(name: str) -> TrafficRouter:
    found: TrafficRouter = load(name, BUILTIN, noun="router", group="helm_safe.routers")
    return found


def routes_of(run: Run) -> Iterator[Route]:
    """The routes of the plan. Raises Stuck where the API server does not serve their kind."""
    served = run.served()
    for moved in run.plan.traffic.routes if run.plan.traffic else ():
        resource = served.preferred(moved.ref.group, moved.ref.kind)
        if resource is None:
            raise Stuck(f"{moved.ref} is of a kind that the API server does not serve")
        yield Route(moved, router_of(moved.router), resource)


def capture(run: Run, stage: Stage) -> None:
    """Journal every route as it is, once: the first capture is the original."""
    for route in routes_of(run):
        if not run.captured(f"route {route.ref}"):
            live = _read(run, route)
            run.record(Kind.CAPTURED, stage, f"route {route.ref}", _capture(run, route, live).to_json())


def _capture(run: Run, route: Route, live: Object) -> RouteCapture:
    return route.router.capture(live, pinned=run.settings.resolved.value("pinned") == "move")


def recapture(run: Run) -> list[str]:
    """After the native rollback: journal what Helm made of the routes; returns those that it changed, in words.

    A route that still carries our weights keeps its first capture as the base; one that the chart owns and Helm wrote
    is the new base. Raises Stuck where somebody else wrote a route that the chart does not own.
    """
    told = []
    for route in routes_of(run):
        name = f"route {route.ref} after"
        live = run.world.cluster.get(route.resource, route.ref.namespace, route.ref.name)
        if run.captured(name) or live is None:
            continue
        changed = route.router.foreign(base(run, route), live, route.moved.pairs, route.weights([100.0]))
        if changed is None:
            continue
        if str(route.ref) not in run.plan.settings["charted"]:
            raise _foreign(route, str(changed))
        run.record(Kind.CAPTURED, Stage.COMMIT, name, _capture(run, route, live).to_json())
        told.append(str(route.ref))
    return told


def base(run: Run, route: Route) -> RouteCapture:
    """What weights are computed from and what is restored."""
    after, before = run.captured(f"route {route.ref} after"), run.captured(f"route {route.ref}")
    return RouteCapture.from_json(after or before)


def move(run: Run, share: float | None, *, need: Mapping[str, int] | None = None) -> bool:
    """Give the Services beside the release's own that share of every route, None: put the captured backends back.

    need: pods that each Service must have ready per 100 % of its traffic. Returns whether anything had to be written.
    Raises Stuck; writing twice equals writing once.
    """
    allowed = [*written(run), share]
    moved = [_move(run, route, share, allowed, need or {}) for route in _captured(run)]
    _tell(run, share, wrote=any(moved))
    return any(moved)


def put_back(run: Run, share: float | None) -> list[str]:
    """Like `move`, on the way out: a route that somebody else changed and that needs nothing of ours stays his.

    Returns a sentence for each of those. Raises Stuck where his route still refers to what this run made.
    """
    allowed, left = [*written(run), share], []
    for route in _captured(run):
        try:
            _move(run, route, share, allowed, {})
        except Stuck as stuck:
            if not stuck.foreign or made_here(run) & route.router.services(_read(run, route)):
                raise
            left.append(stuck.message)
    if not left:
        _tell(run, share, wrote=True)
    return left


def made_here(run: Run) -> set[str]:
    """Services that this run made."""
    return {name for _, kind, _, name in run.captured(OBJECTS).get("refs", ()) if kind == "Service"}


def _tell(run: Run, share: float | None, *, wrote: bool) -> None:
    """What each Service is to get, in percent of the users; a line for people only where it was written just now."""
    wanted = _wanted(run) if share is None else share
    last = run.progress.last
    if wanted is None or last is None or run.plan.traffic is None:
        return
    shares = {pair.stable: 100 - wanted for pair in run.plan.traffic.pairs}
    shares |= {pair.canary: wanted for pair in run.plan.traffic.pairs}
    rows = [{"name": name, "wanted": each, "actual": None} for name, each in shares.items()]
    words = "weights: " + ", ".join(f"Service/{name} {each:g} %" for name, each in shares.items())
    run.tell(Stage(last.stage), words if wrote else "", kind="weights", services=rows)


def _wanted(run: Run) -> float | None:
    """The share of the Services beside the release's own, by the routes' own words."""
    with suppress(HelmSafeError):  # what cannot be shown stops nobody
        found = [route.router.share(_read(run, route), route.moved.pairs) for route in _captured(run)]
        return next((weight.canary for weight in found if weight), None)
    return None


def _captured(run: Run) -> Iterator[Route]:
    return (route for route in standing(run) if run.captured(f"route {route.ref}"))


def standing(run: Run) -> Iterator[Route]:
    """The routes of the plan without those of our own that are not made yet, or deleted already."""
    for route in routes_of(run):
        if not route.moved.ours or run.world.cluster.get(route.resource, route.ref.namespace, route.ref.name):
            yield route


def look(run: Run, shares: Sequence[float | None]) -> None:
    """Raise Stuck when somebody else changed a route; shares are those that may stand there."""
    for route in standing(run):
        live = _read(run, route)
        found = route.router.foreign(base(run, route), live, route.moved.pairs, route.weights(shares))
        if found:
            raise _foreign(route, str(found))


def settle(run: Run) -> None:
    """Wait until those who carry the routes out have accepted them, and the proxies had time to follow."""
    deadline = run.world.clock.monotonic() + CONVERGE_WITHIN
    waiting = list(standing(run))
    while waiting:
        states = [(route, route.router.converged(_read(run, route))) for route in waiting]
        waiting = [route for route, state in states if state is False]
        if waiting and run.world.clock.monotonic() > deadline:
            raise Stuck(f"{waiting[0].ref} was not accepted within {CONVERGE_WITHIN:.0f} s", "See its status.")
        if waiting:
            run.world.clock.sleep(POLL)
    run.world.clock.sleep(SETTLE)


def written(run: Run) -> list[float | None]:
    """Shares that may stand in the routes now: the last one written, and those of steps that were begun."""
    progress = run.progress
    known = {step.id: step for step in (*run.plan.steps, *run.plan.undo, *run.plan.hold) if "share" in step.args}
    done = [known[name] for name in progress.done if name in known]
    begun = [known[name] for name in progress.begun if name in known]
    if any(name.endswith(" after") for name in progress.captured):
        later = (Stage.COMMIT, Stage.RETURN, Stage.CLEANUP)
        done, begun = ([step for step in steps if step.stage in later] for steps in (done, begun))
    first = 100.0 if run.plan.settings["isolated"] else None
    return [_share(done[-1]) if done else first, *map(_share, begun)]


def ready_backends(cluster: Cluster, namespace: str, names: Collection[str]) -> dict[str, int]:
    """The same by backend; the pods of a subset are told by labels (Istio)."""
    ready = ready_endpoints(cluster, namespace)
    parts = {name for name in names if subset_of(name)}
    if parts:
        resource = cluster.served().preferred(*DESTINATION_RULE)
        kinds = [SERVICES, PODS, *([resource] if resource else [])]
        around = Around({ref_of(obj): obj for kind in kinds for obj in cluster.list(kind, namespace).items})
        ready |= {name: sum(map(is_ready, pods_of(around, namespace, name))) for name in parts}
    return ready


def ready_endpoints(cluster: Cluster, namespace: str) -> dict[str, int]:
    """How many ready addresses each Service of the namespace has: what a gateway can send requests to."""
    ready: dict[str, set[str]] = {}
    for piece in cluster.list(ENDPOINT_SLICES, namespace).items:
        addresses = ready.setdefault(labels_of(piece).get(SERVICE_NAME, ""), set())
        for endpoint in sequence(piece, "endpoints"):
            if dig(endpoint, "conditions", "ready") is not False and not dig(endpoint, "conditions", "terminating"):
                addresses.update(map(str, sequence(endpoint, "addresses")))
    return {service: len(addresses) for service, addresses in ready.items()}


def lacking(run: Run, route: Route, live: Object, share: float | None, need: Mapping[str, int]) -> str:
    """Which Service could not carry the larger share that it is to get with the pods that are ready now.

    A Service that had no traffic needs a ready pod; one of `need` as many as its share of them.
    """
    now = route.router.share(live, route.moved.pairs)
    before, after = now.canary if now else 0.0, share or 0.0
    names = {name for pair in route.moved.pairs for name in pair}
    ready = ready_backends(run.world.cluster, run.release.namespace, names)
    for pair in route.moved.pairs:
        for service, had, gets in ((pair.canary, before, after), (pair.stable, 100 - before, 100 - after)):
            least = ceil(need.get(service, 0) * gets / 100) or int(had == 0)
            if gets > had and ready.get(service, 0) < least:
                return f"Service/{service} has {ready.get(service, 0)} ready pods, {gets:g} % needs {least}"
    return ""


def _share(step: Step) -> float | None:
    found = step.args["share"]
    return None if found is None else float(found)


def _move(
    run: Run, route: Route, share: float | None, allowed: Sequence[float | None], need: Mapping[str, int]
) -> bool:
    captured, pairs = base(run, route), route.moved.pairs
    for _ in range(TRIES):
        live = _read(run, route)
        found = route.router.foreign(captured, live, pairs, route.weights(allowed))
        if found:
            raise _foreign(route, str(found))
        patch = (
            route.router.restore(captured, live)
            if share is None
            else route.router.patch(captured, live, pairs, Weight(share))
        )
        if not patch:
            return False
        short = lacking(run, route, live, share, need)
        if short:
            stuck = Stuck(f"{route.ref} is not moved: {short}")
            stuck.passing = True
            raise stuck
        try:
            run.world.cluster.patch(route.resource, route.ref, patch, kind="json", manager=MANAGED_BY)
        except Conflict:
            continue  # computed anew from a fresh read
        return True
    raise Stuck(f"{route.ref} kept changing while its weights were written ({TRIES} tries)")


def _read(run: Run, route: Route) -> Object:
    live = run.world.cluster.get(route.resource, route.ref.namespace, route.ref.name)
    if live is None:
        raise Stuck(f"{route.ref} is gone: somebody deleted it during the run")
    return live


def _foreign(route: Route, what: str) -> Stuck:
    stuck = Stuck(
        f"somebody else changed {route.ref} during the run: {what}; it is not overwritten",
        f"Look at it: kubectl get {route.resource.plural} {route.ref.name} -n {route.ref.namespace} -o yaml",
    )
    stuck.foreign = True
    return stuck
