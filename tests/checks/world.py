"""Small worlds for checks: revisions, live objects and snapshots in a few words."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from helm_safe.core.objects import Gvk, Object, ObjectRef, gvk_of, ref_of
from helm_safe.model.changes import Change
from helm_safe.model.revisions import History, Hook, Release, Revision, RevisionStatus
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import HelmVersion, Resource, Served, Snapshot
from helm_safe.rollback.discovery import sharing

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)
NAMESPACE = "prod"
RELEASE = Release(NAMESPACE, "shop")
HELM3, HELM4 = HelmVersion(3, 22), HelmVersion(4, 3, 1)
CLUSTER_KINDS = ("Node", "PersistentVolume", "PriorityClass", "CustomResourceDefinition", "Namespace", "StorageClass")
_VERSIONS = {
    "": "v1",
    "apps": "apps/v1",
    "batch": "batch/v1",
    "autoscaling": "autoscaling/v2",
    "policy": "policy/v1",
    "keda.sh": "keda.sh/v1alpha1",
    "gateway.networking.k8s.io": "gateway.networking.k8s.io/v1",
    "argoproj.io": "argoproj.io/v1alpha1",
    "scheduling.k8s.io": "scheduling.k8s.io/v1",
}


def obj(kind: str, name: str, group: str = "", namespace: str = NAMESPACE, **body: Any) -> Object:
    """An object; keyword arguments become its top-level fields, `labels` and `annotations` go to its metadata."""
    metadata: Object = {"name": name}
    if kind not in CLUSTER_KINDS:
        metadata["namespace"] = namespace
    for field in ("labels", "annotations"):
        if field in body:
            metadata[field] = body.pop(field)
    return {"apiVersion": _VERSIONS.get(group, f"{group}/v1"), "kind": kind, "metadata": metadata, **body}


def container(name: str = "app", image: str = "registry.example/shop:1", **fields: Any) -> Object:
    return {"name": name, "image": image, **fields}


def deployment(
    name: str = "web",
    *containers: Object,
    replicas: int | None = 2,
    pod: Object | None = None,
    kind: str = "Deployment",
    group: str = "apps",
    **spec: Any,
) -> Object:
    """A workload with selector and labels app=NAME. pod: further fields of the pod's spec."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": list(containers) or [container()], **(pod or {})},
    }
    counted = {} if replicas is None else {"replicas": replicas}
    return obj(kind, name, group, spec={**counted, "selector": {"matchLabels": labels}, "template": template, **spec})


def pod(owner: str = "web", number: int = 1, image: str = "registry.example/shop:1", **status: Any) -> Object:
    """A live pod of a workload; keyword arguments are its status."""
    return obj(
        "Pod", f"{owner}-{number}", labels={"app": owner}, spec={"containers": [container(image=image)]}, status=status
    )


def service(name: str = "web", port: int = 80, target: object = 8080, selector: Object | None = None) -> Object:
    ports = [{"port": port, "targetPort": target}]
    return obj("Service", name, spec={"selector": selector or {"app": name}, "ports": ports})


def secret(name: str = "keys", **values: str) -> Object:
    return obj("Secret", name, data={key: b64encode(value.encode()).decode() for key, value in values.items()})


def live_secret(name: str = "keys", **values: str) -> Object:
    """A Secret as a snapshot holds it: hashes instead of values."""
    hashes = {key: "sha256:" + hashlib.sha256(value.encode()).hexdigest() for key, value in values.items()}
    return obj("Secret", name, data=hashes)


def hook(name: str, *events: str, manifest: str = "", objects: Iterable[Object] = (), **fields: Any) -> Hook:
    made = tuple(objects) or (deployment(name, replicas=None, kind="Job", group="batch"),)
    return Hook(name, "Job", f"templates/{name}.yaml", events, 0, manifest or repr(made), made, **fields)


def revision(
    number: int, *objects: Object, status: RevisionStatus = RevisionStatus.SUPERSEDED, **fields: Any
) -> Revision:
    """A revision that was released `number` hours into the day, two days ago."""
    began = NOW - timedelta(days=2) + timedelta(hours=number)
    defaults: dict[str, Any] = {"description": "Upgrade complete", "deployed_at": began, "manifest": repr(objects)}
    body = {ref_of(each): each for each in objects}
    return Revision(number=number, status=status, objects=body, **{**defaults, **fields})


def served(*objects: Object, extra: Iterable[tuple[str, str]] = (), failed: tuple[str, ...] = ()) -> Served:
    """Discovery that lists the kinds of these objects."""
    kinds = {gvk_of(each) for each in objects}
    kinds |= {Gvk(group, _VERSIONS.get(group, "v1").rpartition("/")[2], kind) for group, kind in extra}
    rows = {gvk: Resource(gvk, gvk.kind.lower() + "s", gvk.kind not in CLUSTER_KINDS) for gvk in kinds}
    return Served(rows, failed)


class World(NamedTuple):
    """What a snapshot is made of; `snapshot()` fills in the rest."""

    current: Revision
    target: Revision
    live: tuple[Object, ...] = ()

    def snapshot(
        self, *, older: tuple[Revision, ...] = (), newer: tuple[Revision, ...] = (), **fields: Any
    ) -> Snapshot:
        """Everything listed, everything served, Helm 3, dry runs not asked, unless said otherwise."""
        revisions = tuple(sorted((*older, self.target, self.current, *newer), key=lambda each: each.number))
        revisions = tuple({each.number: each for each in revisions}.values())
        manifests = [each for revision_ in revisions for each in revision_.objects.values()]
        hooks = [each for revision_ in revisions for hook_ in revision_.hooks for each in hook_.objects]
        defaults: dict[str, Any] = {
            "history": History(RELEASE, revisions, fields.pop("broken", ())),
            "change": Change(self.current, self.target),
            "served": served(*manifests, *hooks, *self.live),
            "live": {ref_of(each): each for each in self.live},
            "listed": EVERYTHING,
            "helm": HELM3,
            "settings": Settings(),
            "now": NOW,
        }
        given = Snapshot(**{**defaults, **fields})
        return replace(given, sharing=given.sharing or sharing(given.change, given.around))


class _Everything(frozenset[tuple[str, str]]):
    """A cluster that was listed whole."""

    def __contains__(self, item: object) -> bool:
        return True


EVERYTHING: frozenset[tuple[str, str]] = _Everything()


def world(
    target: Iterable[Object] = (), current: Iterable[Object] | None = None, live: Iterable[Object] | None = None
) -> World:
    """Revision 1 has the objects of `target`, revision 2 those of `current`; live is what revision 2 made."""
    before = tuple(target)
    now = before if current is None else tuple(current)
    return World(
        revision(2, *now, status=RevisionStatus.DEPLOYED, manifest=f"two {now!r}"),
        revision(1, *before),
        now if live is None else tuple(live),
    )


def accepting(**reasons: str) -> Settings:
    """accepting(CFG_004="why")"""
    return Settings(accept={name.replace("_", "-"): reason for name, reason in reasons.items()})


class Case(NamedTuple):
    """One world for one check. says: text that the message must hold; severity and status of the
    first finding, and the worst severity of all, where they matter."""

    check: str
    name: str
    make: Callable[[], Snapshot]
    fires: bool
    object: str = ""
    says: str = ""
    severity: str = ""
    status: str = "fail"
    evidence: str = ""
    times: int = 1
    worst: str = ""


CASES: list[Case] = []
Make = Callable[[], Snapshot]


def fires(check: str, **expected: Any) -> Callable[[Make], Make]:
    """Declare that the check finds exactly `times` (1) things in this world, and what the first one says."""

    def declare(make: Make) -> Make:
        CASES.append(Case(check, make.__name__, make, fires=True, **expected))
        return make

    return declare


def quiet(*checks: str) -> Callable[[Make], Make]:
    """Declare that the checks find nothing in this world."""

    def declare(make: Make) -> Make:
        CASES.extend(Case(check, make.__name__, make, fires=False) for check in checks)
        return make

    return declare


def ref(kind: str, name: str, group: str = "") -> ObjectRef:
    return ObjectRef(group, kind, "" if kind in CLUSTER_KINDS else NAMESPACE, name)
