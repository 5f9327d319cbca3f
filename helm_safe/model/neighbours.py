"""Neighbours: who drives the release's pods and routes by rules of its own, and who would undo a rollback. Pure.

Fields: Flagger 1.44 (`targetRef`), Argo Rollouts 1.9 (`workloadRef`, `trafficRouting`), OpenKruise Rollouts
(`workloadRef`); marks as Argo CD 3 and Flux 2 write them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, gvk_of, labels_of, mapping, ref_of, sequence

CANARY, ROLLOUT, KRUISE_ROLLOUT = (
    ("flagger.app", "Canary"),
    ("argoproj.io", "Rollout"),
    ("rollouts.kruise.io", "Rollout"),
)
KRUISE_GROUP = "apps.kruise.io"
PODS = "its pods"
_CONTROLLERS = {CANARY: "Flagger", ROLLOUT: "Argo Rollouts", KRUISE_ROLLOUT: "OpenKruise"}
# Where each names the workload that it drives.
_AIMS = {
    CANARY: (("spec", "targetRef"),),
    ROLLOUT: (("spec", "workloadRef"),),
    KRUISE_ROLLOUT: (("spec", "workloadRef"), ("spec", "objectRef", "workloadRef")),
}
# What to type instead of fighting it.
_REMEDIES = {
    CANARY: 'kubectl -n {1} patch canary {0} --type=merge -p \'{{"spec":{{"skipAnalysis":true}}}}\' makes Flagger'
    " promote what the native rollback writes, without a second analysis",
    ROLLOUT: "kubectl argo rollouts abort {0} -n {1} puts users back on the stable pods at once",
    KRUISE_ROLLOUT: 'kubectl -n {1} patch rollouts.rollouts.kruise.io {0} --type=merge -p \'{{"spec":{{"strategy":'
    '{{"paused":true}}}}}}\' holds its batches',
}


class Driver(NamedTuple):
    """Who decides when pods and users move. ref: its object. driven: "Deployment/api", a route, or PODS."""

    controller: str
    ref: ObjectRef
    driven: str

    @property
    def kind(self) -> tuple[str, str]:
        return self.ref.group, self.ref.kind

    @property
    def remedy(self) -> str:
        return _REMEDIES[self.kind].format(self.ref.name, self.ref.namespace) if self.kind in _REMEDIES else ""

    @property
    def followed(self) -> bool:
        """Whether a run can tell from its object how it ends."""
        return self.kind in (CANARY, ROLLOUT)


def drivers(live: Mapping[ObjectRef, Object], ours: Collection[ObjectRef]) -> list[Driver]:
    """Who drives the release's objects, each once for each object that it drives."""
    known = {(ref.kind, ref.name) for ref in ours}
    found = dict.fromkeys(_driving(live.values(), known))
    for ref in ours:
        if (ref.group, ref.kind) == ROLLOUT:
            found[Driver("Argo Rollouts", ref, PODS)] = None
        if ref.group == KRUISE_GROUP:
            found[Driver("OpenKruise", ref, PODS)] = None
    return list(found)


def _driving(live: Iterable[Object], known: Collection[tuple[str, str]]) -> Iterator[Driver]:
    for obj in live:
        gvk = gvk_of(obj)
        controller = _CONTROLLERS.get((gvk.group, gvk.kind))
        if controller:
            for kind, name in _aims(obj, (gvk.group, gvk.kind)):
                if (kind, name) in known:
                    yield Driver(controller, ref_of(obj), f"{kind}/{name}")
        # Flagger owns the routes that it made, and takes over those that were there before.
        for owner in sequence(obj, "metadata", "ownerReferences"):
            if dig(owner, "kind") == "Canary" and str(dig(owner, "apiVersion")).startswith("flagger.app/"):
                ref = ref_of(obj)
                if (ref.kind, ref.name) in known:
                    canary = ObjectRef(*CANARY, ref.namespace, str(dig(owner, "name")))
                    yield Driver("Flagger", canary, str(ref))


def _aims(obj: Object, kind: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """(kind, name) of what an object of a controller drives."""
    aim = next((found for path in _AIMS[kind] if (found := mapping(obj, *path))), {})
    if aim:
        yield str(aim.get("kind") or "Deployment"), str(aim.get("name") or "")
    if kind == ROLLOUT:
        yield from _routes(mapping(obj, "spec", "strategy", "canary", "trafficRouting"))


def _routes(routing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The routes that a Rollout writes."""
    istio = mapping(routing, "istio")
    services = [mapping(istio, "virtualService"), *map(mapping, sequence(istio, "virtualServices"))]
    yield from (("VirtualService", str(each.get("name"))) for each in services if each)
    for name in (dig(routing, "nginx", "stableIngress"), dig(routing, "alb", "ingress")):
        if name:
            yield "Ingress", str(name)
    if service := dig(routing, "traefik", "weightedTraefikServiceName"):
        yield "TraefikService", str(service)
    gateway = mapping(routing, "plugins", "argoproj-labs/gatewayAPI")
    names = [gateway.get("httpRoute"), *(dig(each, "name") for each in sequence(gateway, "httpRoutes"))]
    yield from (("HTTPRoute", str(name)) for name in names if name)


class Mark(NamedTuple):
    """How a GitOps controller marks what it owns, and how its object is told to wait and to go on.

    namespace: the mark of its object's namespace, "" where that is not said on what it owns.
    """

    mark: str
    controller: str
    group: str
    kind: str
    suspend: str
    resume: str
    namespace: str = ""


_ARGO = (
    "Argo CD",
    "argoproj.io",
    "Application",
    "argocd app set {0} --sync-policy none",
    "argocd app set {0} --sync-policy automated",
)
MARKS = (
    Mark("argocd.argoproj.io/tracking-id", *_ARGO),
    Mark("argocd.argoproj.io/instance", *_ARGO),
    Mark(
        "helm.toolkit.fluxcd.io/name",
        "Flux",
        "helm.toolkit.fluxcd.io",
        "HelmRelease",
        "flux suspend helmrelease {0} -n {1}",
        "flux resume helmrelease {0} -n {1}",
        "helm.toolkit.fluxcd.io/namespace",
    ),
    Mark(
        "kustomize.toolkit.fluxcd.io/name",
        "Flux",
        "kustomize.toolkit.fluxcd.io",
        "Kustomization",
        "flux suspend kustomization {0} -n {1}",
        "flux resume kustomization {0} -n {1}",
        "kustomize.toolkit.fluxcd.io/namespace",
    ),
)
GITOPS_KINDS = tuple(dict.fromkeys((each.group, each.kind) for each in MARKS))


class GitOwner(NamedTuple):
    """An object of a GitOps controller that owns objects of the release."""

    mark: Mark
    ref: ObjectRef

    @property
    def suspend(self) -> str:
        return self.mark.suspend.format(self.ref.name, self.ref.namespace)

    @property
    def resume(self) -> str:
        return self.mark.resume.format(self.ref.name, self.ref.namespace)


def git_owners(
    stated: Mapping[ObjectRef, Object], live: Mapping[ObjectRef, Object], elsewhere: str
) -> dict[GitOwner, list[ObjectRef]]:
    """Who owns which of the stated objects, by their marks where they are live. elsewhere: that of Applications."""
    found: dict[GitOwner, list[ObjectRef]] = {}
    for ref, manifest in stated.items():
        obj = live.get(ref, manifest)
        for mark in MARKS:
            name = _said(obj, mark.mark).partition(":")[0]
            if name:
                # Argo CD writes NAMESPACE_NAME for an Application outside of its own namespace.
                apart, _, rest = name.partition("_") if mark.kind == "Application" else ("", "", "")
                usual = elsewhere if mark.kind == "Application" else ref.namespace
                namespace = _said(obj, mark.namespace) or (apart if rest else "") or usual
                owner = GitOwner(mark, ObjectRef(mark.group, mark.kind, namespace, rest or name))
                found.setdefault(owner, []).append(ref)
    return found


def suspended(obj: Object) -> bool:
    """Whether a GitOps object waits: Argo CD without automated sync, Flux with `suspend`."""
    if gvk_of(obj).kind == "Application":
        return dig(obj, "spec", "syncPolicy", "automated") is None
    return dig(obj, "spec", "suspend") is True


def _said(obj: Object, key: str) -> str:
    return str(annotations_of(obj).get(key) or labels_of(obj).get(key) or "") if key else ""
