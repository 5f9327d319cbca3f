"""Which routes send users to which Services, and which Services beside them are known to be good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from helm_safe.core.objects import (
    Object,
    ObjectRef,
    dig,
    gvk_of,
    is_ready,
    labels_of,
    namespace_of,
    ref_of,
    selects,
)
from helm_safe.core.workloads import images, pod_selector, pod_template, template_labels
from helm_safe.model.changes import Change
from helm_safe.model.errors import UsageError
from helm_safe.model.judging import floors_of
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Moved, Traffic
from helm_safe.model.revisions import Release, Revision
from helm_safe.model.routes import NOTHING, Around, Backends, service_of, subset_of
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Sharing, Snapshot
from helm_safe.model.staging import Staging
from helm_safe.model.subsets import pods_of, selector_of
from helm_safe.model.traffic import Window
from helm_safe.ports import TrafficRouter
from helm_safe.rollback.context import World
from helm_safe.rollback.gauge import Gauge
from helm_safe.rollback.traffic import router_of
from helm_safe.rollback.warmup import Warmed, proof_by, warm_up
from helm_safe.routers import BUILTIN

NO_PODS = "has no ready pods of its own"
Routed = dict[str, tuple[ObjectRef, ...]]


class KnownGood(NamedTuple):
    """A Service of other pods to which all users can go at once. pair: live Service -> it. proof: in words."""

    pairs: tuple[Backends, ...]
    ready: int
    proof: str

    def __str__(self) -> str:
        return ", ".join(f"Service/{pair.canary}" for pair in self.pairs)


def routers() -> list[TrafficRouter]:
    return [router_of(name) for name in BUILTIN]


def router_for(route: Object, around: Around) -> TrafficRouter | None:
    """Who carries an object out as a route, None where nobody does."""
    gvk = gvk_of(route)
    return next((each for each in routers() if each.kind == (gvk.group, gvk.kind) and each.mine(route, around)), None)


def route_kinds() -> set[tuple[str, str]]:
    return {router.kind for router in routers()}


def context_kinds() -> set[tuple[str, str]]:
    """Kinds that routers look at beside the routes."""
    return {kind for router in routers() for kind in router.needs}


def routed(around: Around, release: Release, only: str = "") -> Routed:
    """Backend -> the routes of the release's namespace that send requests to it.

    only: "HTTPRoute/web" for this one alone. Raises UsageError, naming the known ones, where there is none such.
    """
    found: dict[str, list[ObjectRef]] = {}
    for ref, router in _routes(around, release):
        for service in router.services(around.objects[ref], around):
            found.setdefault(service, []).append(ref)
    if only and only.lower() not in {str(ref).lower() for refs in found.values() for ref in refs}:
        known = sorted({str(ref) for refs in found.values() for ref in refs})
        raise UsageError(
            f"--route {only}: there is no such route in namespace {release.namespace}",
            f"Known: {', '.join(known) or 'none'}.",
        )
    kept = {
        name: tuple(ref for ref in refs if not only or str(ref).lower() == only.lower()) for name, refs in found.items()
    }
    return {name: refs for name, refs in kept.items() if refs}


def crooked(staging: Staging, around: Around, release: Release) -> tuple[str, ...]:
    """Why routes to the staged workloads cannot be split, a sentence each."""
    words = [
        f"{ref}: {problem}"
        for door in staging.doors()
        for ref in door.routes
        for problem in _router(ref, around).problems(around.objects[ref], door.service, around)
    ]
    services = {door.service for door in staging.doors()}
    words += [
        f"{ref}: it lies in namespace {ref.namespace}, sends users to Service/{name} as well, and is not moved"
        for ref, obj in around.objects.items()
        if ref.namespace != release.namespace and (ref.group, ref.kind) in route_kinds()
        for name in sorted(services & _elsewhere(obj, release.namespace))
    ]
    return tuple(dict.fromkeys(words))


def sharing(change: Change, around: Around) -> tuple[Sharing, ...]:
    """How routes to the release's Services share requests after a rollback: the target's, and those that it leaves."""
    target = change.target
    left = {ref: obj for ref, obj in around.objects.items() if ref not in target.objects and ref not in change.removed}
    after = Around({**left, **target.objects}, around.listed)
    ours = {ref.name for ref in (*change.current.objects, *target.objects) if (ref.group, ref.kind) == ("", "Service")}
    found = []
    for ref, obj in after.objects.items():
        router = router_for(obj, after) if (ref.group, ref.kind) in route_kinds() else None
        for shares in router.shares(obj, after) if router else ():
            if ours & {service_of(name) for name in shares}:
                source = f"revision {target.number}" if ref in target.objects else "the live route"
                found.append(Sharing(ref, shares, source))
    return tuple(found)


def concerns(route: Object, release: Release) -> bool:
    """Whether a route lies in the release's namespace or sends users to a Service there."""
    return namespace_of(route) == release.namespace or bool(_elsewhere(route, release.namespace))


def carriers(staging: Staging, around: Around) -> tuple[tuple[ObjectRef, Object], ...]:
    """Routes whose weights stand in an object that is made beside them, with that object."""
    found = []
    for ref, pairs in _standby_pairs(staging).items():
        made = _router(ref, around).carrier(around.objects[ref], pairs, around)
        found += [(ref, made)] if made else []
    return tuple(found)


def traffic_of(staging: Staging, around: Around) -> Traffic:
    """The routes that move, each with the pairs that it knows."""
    made = dict(staging.carriers)
    return _traffic(_standby_pairs(staging), around, {ref: ref_of(obj) for ref, obj in made.items()})


def traffic_to(good: KnownGood, staging_routes: Routed, around: Around) -> Traffic:
    """The same for a known-good backend that is there already."""
    found: dict[ObjectRef, list[Backends]] = {}
    for pair in good.pairs:
        for ref in staging_routes.get(pair.stable, ()):
            found.setdefault(ref, []).append(pair)
    return _traffic(found, around, {})


def down(snapshot: Snapshot, gauge: Gauge) -> str:
    """Why the current revision serves nobody at all, "" when it serves somebody: no ready pod, or only errors."""
    staged = snapshot.staging.staged
    if not staged:
        return ""
    live = [snapshot.live.get(each.workload) for each in staged]
    if all(dig(each, "spec", "replicas") == 0 for each in live):
        return f"{staged[0].workload} is scaled to 0"  # its last pods may still be counted as ready
    if not any(dig(each, "status", "readyReplicas") for each in live):
        return f"{staged[0].workload} has no ready pod"
    if gauge.failing(door.service for door in snapshot.staging.doors()):
        return f"every request to Service/{staged[0].doors[0].service} fails"
    return ""


@dataclass(frozen=True)
class Search:
    """For a known-good backend. live: at least Services, Pods, routes and the release's workloads. where: routes by
    Service. windows: what the gateway counted lately. wanted: a Service that a person named, "" for any.
    """

    world: World
    release: Release
    revisions: tuple[Revision, ...]
    live: Mapping[ObjectRef, Object]
    where: Routed
    windows: Mapping[str, Window]
    settings: Settings
    wanted: str = ""

    def known_good(self) -> KnownGood | None:
        """The backend beside the release's own that serves already and has proved itself; None where there is none.

        Proof: recent requests of users, else at least 20 warm-up requests of our own.
        """
        pairs, ready, proofs = [], 0, []
        for service, refs in sorted(self.own().items()):
            found = next(self._candidates(service, refs), None)
            if found is None:
                return None
            name, pods, proof = found
            pairs.append(Backends(service, name))
            ready = min(ready or pods, pods)
            proofs.append(f"Service/{name}: {proof}")
        return KnownGood(tuple(pairs), ready, "; ".join(proofs)) if pairs else None

    def own(self) -> Routed:
        """Services of the release's manifests that routes send users to."""
        refs = {ref for each in self.revisions for ref in each.objects}
        names = {ref.name for ref in refs if (ref.group, ref.kind) == ("", "Service")}
        found = {name: refs for name, refs in self.where.items() if service_of(name) in names and self._behind(name)}
        return {name: refs for name, refs in found.items() if not self._named(name)}

    def _named(self, backend: str) -> bool:
        """Whether a person named this backend, a subset by its name alone too."""
        return bool(self.wanted) and self.wanted in (backend, subset_of(backend))

    @property
    def around(self) -> Around:
        return Around(self.live)

    def needed(self) -> int:
        """Pods that serve all users now, the most of any workload behind a routed Service."""
        selectors = [selector_of(self.around, self.release.namespace, name) for name in self.own()]
        counts = [
            int(dig(obj, "spec", "replicas") or 0)
            for ref, obj in self._workloads()
            if any(selects(each, template_labels(obj)) for each in selectors)
        ]
        return max(counts, default=1)

    def _workloads(self) -> Iterator[tuple[ObjectRef, Object]]:
        owned = {ref for each in self.revisions for ref in each.objects}
        return ((ref, obj) for ref, obj in self.live.items() if ref in owned and ref.group == "apps")

    def _behind(self, backend: str) -> bool:
        """Whether a workload of the release has its pods there: of a subset's Service another one may have them."""
        selector = selector_of(self.around, self.release.namespace, backend)
        return not subset_of(backend) or any(selects(selector, template_labels(obj)) for _, obj in self._workloads())

    def _pods(self, service: str) -> list[Object]:
        """Ready pods behind a backend; none where workloads own them whose users are to leave."""
        found = pods_of(self.around, self.release.namespace, service)
        left = [selector_of(self.around, self.release.namespace, name) for name in self.own()]
        workloads = [obj for _, obj in self._workloads()]
        if subset_of(service) and self.wanted:
            workloads = [obj for obj in workloads if any(selects(each, template_labels(obj)) for each in left)]
        matchers = [pod_selector(obj) for obj in workloads]
        if any(matches(labels_of(pod)) for pod in found for matches in matchers):
            return []
        return [pod for pod in found if is_ready(pod)]

    def missing(self) -> str:
        """Why there is no known-good backend, in words; call it only where `known_good` found none."""
        flaws = [flaw for service, refs in sorted(self.own().items()) for flaw in self._flaws(service, refs)]
        return "; ".join(flaws)

    def _flaws(self, service: str, refs: tuple[ObjectRef, ...]) -> Iterator[str]:
        names = self._beside(service, refs)
        if not names:
            what = f"Service/{self.wanted} does not stand" if self.wanted else "no other Service stands"
            yield f"{what} beside Service/{service} in every rule of {', '.join(map(str, refs))}"
        for name in names:
            yield f"Service/{name} {self._flaw(self._pods(name))}"

    def _flaw(self, pods: list[Object]) -> str:
        """Why these pods of a backend are not known to be good."""
        if not pods:
            return NO_PODS
        if not any(map(self._kin, pods)):
            return f"runs other software than the release ({', '.join(images(pods[0]))})"
        return f"has not proved itself: {self._warmed(pods).sentence}"

    def _beside(self, service: str, refs: tuple[ObjectRef, ...]) -> list[str]:
        """Services beside this one in all its routes, only the one that a person named where one is."""
        around = self.around
        each = (_router(ref, around).beside(self.live[ref], service, around) for ref in refs)
        beside = set.intersection(*each)
        return sorted(name for name in beside if not self.wanted or self._named(name))

    def _candidates(self, service: str, refs: tuple[ObjectRef, ...]) -> Iterator[tuple[str, int, str]]:
        """(name, ready pods, proof) of the backends that may carry all users."""
        for name in self._beside(service, refs):
            pods = [pod for pod in self._pods(name) if self._kin(pod)]
            proof = self._proof(name, pods) if pods else ""
            if proof:
                yield name, len(pods), proof

    def _kin(self, pod: Object) -> bool:
        """Whether a pod runs the release's own software, in any version: a page that says "back soon" answers well too.

        What a person chose needs no such likeness.
        """
        if self.wanted or self.settings.strategy == "shift":
            return True
        own = {_repository(image) for _, obj in self._workloads() for image in images(pod_template(obj))}
        return any(_repository(image) in own for image in images(pod))

    def _proof(self, service: str, pods: list[Object]) -> str:
        floors, seen = floors_of(self.settings.resolved), self.windows.get(service)
        if seen and seen.requests >= floors.minimum and (seen.error_share or 0) <= 1 - floors.success_rate:
            share = 100 * (seen.error_share or 0)
            return f"{seen.requests:.0f} requests of users within {seen.seconds:.0f} s, {share:.1f} % failed"
        warmed = self._warmed(pods)
        return warmed.sentence if warmed.verdict is Verdict.PASS else ""

    def _warmed(self, pods: list[Object]) -> Warmed:
        return warm_up(self.world.cluster, self.world.clock, pods, proof_by(self.settings.resolved, len(pods)))


def _repository(image: str) -> str:
    """The image without tag and digest; a port of the registry is no tag."""
    name = image.partition("@")[0]
    return name[: -len(name.rpartition(":")[2]) - 1] if ":" in name.rpartition("/")[2] else name


def _routes(around: Around, release: Release) -> Iterator[tuple[ObjectRef, TrafficRouter]]:
    kinds = route_kinds()
    for ref in sorted(around.objects):
        if (ref.group, ref.kind) in kinds and ref.namespace == release.namespace:
            router = router_for(around.objects[ref], around)
            if router:
                yield ref, router


def _router(ref: ObjectRef, around: Around) -> TrafficRouter:
    """The router of a route that `routed` found."""
    found = router_for(around.objects[ref], around)
    assert found is not None  # noqa: S101 - found before, in the same objects
    return found


def _elsewhere(route: Object, namespace: str) -> set[str]:
    """Backends of that namespace that a route of another one names."""
    router = router_for(route, NOTHING)
    return router.services(route, namespace=namespace) if router else set()


def _standby_pairs(staging: Staging) -> dict[ObjectRef, list[Backends]]:
    found: dict[ObjectRef, list[Backends]] = {}
    for door in staging.doors():
        for ref in door.routes:
            found.setdefault(ref, []).append(Backends(door.service, door.standby))
    return found


def _traffic(found: dict[ObjectRef, list[Backends]], around: Around, carried: Mapping[ObjectRef, ObjectRef]) -> Traffic:
    return Traffic(
        tuple(
            Moved(_router(ref, around).name, carried.get(ref, ref), tuple(pairs), ref in carried)
            for ref, pairs in sorted(found.items())
        )
    )
