"""Which workloads get a standby, which follow with the native rollback, and which it leaves alone. Pure.

A workload is staged when the rollback changes its pods (the template, or a ConfigMap or Secret that it reads) and a
route sends users to it through a live Service. Where no route does, a live Service alone is a way in, too: users come
by its name, and the share of a standby is its part of the pods that are ready behind it. The others have no share of
traffic that could move in steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, mapping, selects
from helm_safe.core.references import config_references
from helm_safe.core.workloads import pod_template
from helm_safe.model.changes import Change
from helm_safe.model.own import ours
from helm_safe.model.routes import Around, service_of
from helm_safe.model.subsets import selector_of

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
SUFFIX = "-standby"
MAX_NAME = 63


@dataclass(frozen=True, slots=True)
class Door:
    """A live backend by which users come to a staged workload, our own Service beside it, and the routes to it.

    service: "web", or "web/v2" where the route names a subset of its pods (Istio). routes: none where users come by the
    name of the Service.
    """

    service: str
    standby: str
    routes: tuple[ObjectRef, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """A workload that gets a standby. standby: name of our Deployment; replicas: the captured count."""

    workload: ObjectRef
    standby: str
    replicas: int
    doors: tuple[Door, ...]


@dataclass(frozen=True, slots=True)
class Staging:
    """The release's workloads, sorted out.

    follow: changed ones that cannot be staged, each with the reason. alone: those that stay as they are. shared: live
    Services that select the pods of several workloads, with their names: nobody can split what they carry. carriers:
    routes whose weights stand in an object of our own beside them, each with that object.
    """

    staged: tuple[Staged, ...] = ()
    follow: tuple[tuple[ObjectRef, str], ...] = ()
    alone: tuple[ObjectRef, ...] = ()
    shared: tuple[tuple[str, tuple[str, ...]], ...] = ()
    carriers: tuple[tuple[ObjectRef, Object], ...] = ()

    @property
    def routes(self) -> tuple[ObjectRef, ...]:
        """Every route whose weights move, each once; they move together."""
        return tuple(sorted({ref for each in self.staged for door in each.doors for ref in door.routes}))

    def doors(self) -> Iterator[Door]:
        return (door for each in self.staged for door in each.doors)

    def to_json(self) -> dict[str, Any]:
        """What a run goes on with: the staged workloads, and the carriers."""
        staged = [
            {
                "workload": list(each.workload),
                "standby": each.standby,
                "replicas": each.replicas,
                "doors": [[door.service, door.standby, [list(ref) for ref in door.routes]] for door in each.doors],
            }
            for each in self.staged
        ]
        return {"staged": staged, "carriers": [[list(ref), obj] for ref, obj in self.carriers]}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Staging:
        """The inverse of to_json. Raises KeyError, TypeError or ValueError on a body of another shape."""
        return cls(
            tuple(
                Staged(
                    ObjectRef(*each["workload"]),
                    str(each["standby"]),
                    int(each["replicas"]),
                    tuple(
                        Door(service, standby, tuple(ObjectRef(*ref) for ref in routes))
                        for service, standby, routes in each["doors"]
                    ),
                )
                for each in body["staged"]
            ),
            carriers=tuple((ObjectRef(*ref), dict(obj)) for ref, obj in body["carriers"]),
        )


def staging_of(
    change: Change, live: Mapping[ObjectRef, Object], routed: Mapping[str, tuple[ObjectRef, ...]]
) -> Staging:
    """Sort the target's workloads out. routed: name of a Service in the release's namespace -> routes to it."""
    services = {ref.name: obj for ref, obj in live.items() if (ref.group, ref.kind) == ("", "Service")}
    staged, follow, alone = [], [], []
    for ref in serving(change.target.objects):
        if ref in live and not touched(change, ref):
            alone.append(ref)
            continue
        doors = tuple(_doors(ref, change.target.objects[ref], Around(live), routed))
        why = _why_not(ref, live, doors, _unselective(services, routed))
        if why:
            follow.append((ref, why))
        else:
            declared = dig(change.target.objects[ref], "spec", "replicas")
            staged.append(Staged(ref, short(ref.name), count_before(live, ref, declared), doors))
    return Staging(tuple(staged), tuple(follow), tuple(alone), tuple(_shared(change, live, staged)))


def plain_staging(
    change: Change, live: Mapping[ObjectRef, Object], routed: Mapping[str, tuple[ObjectRef, ...]]
) -> Staging:
    """The same where users come by the names of Services; those that have a route are left out."""
    taken = {service_of(name) for name in routed}
    namespaces = {ref.namespace for ref in serving(change.target.objects)}
    plain: dict[str, tuple[ObjectRef, ...]] = {
        ref.name: ()
        for ref, obj in live.items()
        if (ref.group, ref.kind) == ("", "Service")
        and ref.namespace in namespaces
        and ref.name not in taken
        and not ours(obj)
    }
    return staging_of(change, live, plain)


def count_before(live: Mapping[ObjectRef, Object], ref: ObjectRef, declared: Any) -> int:
    """The replicas that a workload had before the incident. declared: those of the target's manifest.

    A live count of 0 is the incident, not the wish: then the autoscaler's word counts, else the manifest's, else one.
    """
    scaler = autoscaler_of(live, ref) or {}
    candidates = [
        dig(live.get(ref), "spec", "replicas"),
        dig(scaler, "status", "desiredReplicas"),
        dig(scaler, "spec", "minReplicas"),
        declared,
    ]
    return next((int(each) for each in candidates if each), 1)


def autoscaler_of(live: Mapping[ObjectRef, Object], ref: ObjectRef) -> Object | None:
    """The HorizontalPodAutoscaler of a workload."""
    for other, obj in live.items():
        target = mapping(obj, "spec", "scaleTargetRef")
        if (other.group, other.kind, other.namespace) == ("autoscaling", "HorizontalPodAutoscaler", ref.namespace) and (
            target.get("kind"),
            target.get("name"),
        ) == (ref.kind, ref.name):
            return obj
    return None


def serving(objects: Iterable[ObjectRef]) -> list[ObjectRef]:
    """The workloads whose pods stay up."""
    return [ref for ref in objects if ref.kind in KINDS and ref.group == "apps"]


def touched(change: Change, ref: ObjectRef) -> bool:
    """Whether the rollback changes what the workload's pods run or read."""
    before, after = change.current.objects.get(ref), change.target.objects[ref]
    return before is None or pod_template(before) != pod_template(after) or reads_changed(change, ref)


def reads_changed(change: Change, ref: ObjectRef) -> bool:
    """Whether a ConfigMap or Secret that the workload reads differs between the revisions."""
    differing = {
        (each.kind, each.name) for each in (*change.changed, *change.added) if each.kind in ("ConfigMap", "Secret")
    }
    used = config_references(pod_template(change.target.objects[ref]) or {})
    return any((each.kind, each.name) in differing for each in used)


def short(name: str) -> str:
    """The standby's name: at most 63 characters, the end, which is ours, kept."""
    made = name + SUFFIX
    return made if len(made) <= MAX_NAME else f"{name[: MAX_NAME - len(SUFFIX)].rstrip('-.')}{SUFFIX}"


def _doors(
    ref: ObjectRef, workload: Object, around: Around, routed: Mapping[str, tuple[ObjectRef, ...]]
) -> Iterator[Door]:
    labels = labels_of(pod_template(workload) or {})
    for name, routes in sorted(routed.items()):
        if selects(selector_of(around, ref.namespace, name), labels):
            yield Door(name, short(name.replace("/", "-").lower()), tuple(sorted(routes)))


def _unselective(services: Mapping[str, Object], routed: Iterable[str]) -> list[str]:
    """Services that have a route and no selector: somebody else says where their users go."""
    return [name for name in sorted(routed) if name in services and not mapping(services[name], "spec", "selector")]


def _why_not(
    ref: ObjectRef, live: Mapping[ObjectRef, Object], doors: tuple[Door, ...], unselective: Sequence[str]
) -> str:
    """Why a changed workload cannot be staged, "" when it can."""
    if ref.kind != "Deployment":
        return f"a {ref.kind} cannot be doubled"
    if ref not in live:
        return "it does not run now"
    if doors:
        return ""
    names = ", ".join(f"Service/{name}" for name in unselective)
    return "no route of its namespace sends users to it" + (f" ({names} has a route and no selector)" if names else "")


def _shared(
    change: Change, live: Mapping[ObjectRef, Object], staged: Iterable[Staged]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of the target's workloads, and of those that run now, in the release or not."""
    running = {ref: obj for ref, obj in live.items() if dig(obj, "spec", "replicas") != 0}
    objects = {**running, **change.target.objects}
    for namespace, name in sorted({(each.workload.namespace, door.service) for each in staged for door in each.doors}):
        selector = selector_of(Around(live), namespace, name)
        owners = [
            str(ref) for ref in serving(objects) if selects(selector, labels_of(pod_template(objects[ref]) or {}))
        ]
        if len(owners) > 1:
            yield name, tuple(sorted(owners))
