"""INSPECT: read the history and the live objects once, into one Snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from helm_safe.checks.run import needs
from helm_safe.core.objects import Object, ObjectRef, gvk_of, ref_of
from helm_safe.core.redact import hash_secret
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.changes import Change
from helm_safe.model.errors import ClusterError, Forbidden, NotFound
from helm_safe.model.evidence import evidence_of
from helm_safe.model.holds import HOLDERS, holders
from helm_safe.model.neighbours import GitOwner, drivers, git_owners
from helm_safe.model.own import CannotStandBy
from helm_safe.model.plan import EndState
from helm_safe.model.records import fold
from helm_safe.model.resources import SECRETS
from helm_safe.model.revisions import Evidence, History, Release, Revision
from helm_safe.model.routes import Around
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import DryRun, Resource, Served, Snapshot
from helm_safe.model.staging import Staging, plain_staging, staging_of
from helm_safe.model.standby import standby_objects
from helm_safe.ports import Cluster
from helm_safe.rollback import permissions
from helm_safe.rollback.context import World, in_parallel
from helm_safe.rollback.discovery import (
    Routed,
    carriers,
    concerns,
    context_kinds,
    crooked,
    route_kinds,
    routed,
    sharing,
)
from helm_safe.rollback.state import state_of
from helm_safe.rollback.warmup import check_variables, wanted_by

# Other Secrets are read without the release records, each of which can weigh a megabyte.
NO_RECORDS = "type!=helm.sh/release.v1"
HELM_MANAGER = "helm"
# What a plan looks at besides the release's own kinds and those of the checks.
SCENE = (("", "Service"), ("", "Pod"), *((row.group, row.kind) for row in HOLDERS))


def revision_of(history: History, number: int) -> Revision:
    """The revision asked for. Raises NotFound naming those that exist."""
    found = history.get(number)
    if found is None:
        known = ", ".join(str(each.number) for each in history.revisions)
        broken = [each for each in history.broken if each.number == number]
        why = f" ({broken[0].problem})" if broken else ""
        raise NotFound(
            f"release {history.release} has no revision {number}{why}",
            f"Its revisions: {known}. `helm safe-rollback history {history.release.name}` tells which were good.",
        )
    return found


def evidence_for(world: World, history: History, known_good_after: float) -> dict[int, Evidence]:
    """What is known of each revision, from Helm's records and from the journals of earlier runs."""
    return evidence_of(
        history,
        good=_proven_contents(world.cluster, history.release),
        known_good_after=known_good_after,
        now=world.cluster.now(),
    )


def gather(world: World, history: History, change: Change, settings: Settings) -> Snapshot:
    """One Snapshot: a LIST per kind and namespace and a dry run per target object, all in parallel."""
    check_variables(settings.resolved)
    served = world.cluster.served()
    live = list_live(world.cluster, served, change, history.release)
    live.objects.update(_git_owners(world.cluster, served, change, live, settings))
    around = Around(live.objects, live.whole)
    where = routed(around, history.release, settings.resolved.value("route"))
    staging = staging_of(change, live.objects, where)
    staging = replace(staging, carriers=carriers(staging, around))
    moves = settings.strategy not in ("native", "express", "partition")
    plain = _plain(change, live.objects, where, bool(staging.staged), settings)
    warming = [
        *permissions.of_warm_up(history.release, wanted_by(settings.resolved)),
        *neighbours_permissions(served, change, live.objects, settings),
        *(permissions.of_leaving_guard(served, history.release) if settings.watchdog else ()),
    ]
    asked = [
        _to_review(
            served,
            change,
            history.release,
            [*permissions_to_stage(served, change, history.release, live.objects, each), *warming]
            if moves
            else warming,
        )
        for each in (staging, plain)
    ]
    granted = _review(world.cluster, [permission for each in asked for permission in each])
    return Snapshot(
        history=history,
        change=change,
        served=served,
        live=live.objects,
        listed=live.listed,
        denied=live.denied,
        near=live.near,
        helm=world.releases.version(),
        settings=settings,
        now=world.cluster.now(),
        dry_run=_dry_runs(world.cluster, served, change.target, settings),
        permitted={key: granted[key] for key in map(_key, asked[0])},
        staging=staging,
        plain=plain,
        plain_permitted={key: granted[key] for key in map(_key, asked[1])},
        crooked=crooked(staging, around, history.release),
        whole=live.whole,
        sharing=sharing(change, around),
        state=state_of(world.cluster, history, change.current, change.target, settings.resolved),
    )


def _git_owners(
    cluster: Cluster, served: Served, change: Change, live: Live, settings: Settings
) -> dict[ObjectRef, Object]:
    """The GitOps objects that own the release, wherever they are and as far as they may be read."""
    found = {}
    for owner in _git_owners_of(change, live.objects, settings):
        resource = served.preferred(owner.ref.group, owner.ref.kind)
        if resource is not None and owner.ref not in live.objects:
            with suppress(ClusterError):
                found[owner.ref] = cluster.get(resource, owner.ref.namespace, owner.ref.name)
    return {ref: obj for ref, obj in found.items() if obj is not None}


def _git_owners_of(
    change: Change, live: Mapping[ObjectRef, Object], settings: Settings
) -> dict[GitOwner, list[ObjectRef]]:
    return git_owners(change.current.objects, live, settings.resolved.value("gitops.namespace"))


def neighbours_permissions(
    served: Served, change: Change, live: Mapping[ObjectRef, Object], settings: Settings
) -> list[permissions.Permission]:
    """To follow whoever drives the release, and to suspend who would undo the rollback."""
    followed = {each.ref for each in drivers(live, {*change.current.objects, *change.target.objects}) if each.followed}
    asked = settings.resolved.value("gitops.sync") != "refuse"
    owners = {owner.ref for owner in _git_owners_of(change, live, settings)} if asked else set()
    return list(permissions.of_neighbours(served, followed, owners))


def _plain(
    change: Change, live: Mapping[ObjectRef, Object], where: Routed, staged: bool, settings: Settings
) -> Staging:
    """Looked at where nothing better can be had; whoever asks for it gets it for Services that have a route, too."""
    if settings.strategy == "replicas":
        return plain_staging(change, live, {})
    return plain_staging(change, live, where) if settings.strategy == "auto" and not staged else Staging()


def _proven_contents(cluster: Cluster, release: Release) -> dict[str, str]:
    """Content hashes that a completed run ended with, each with the run that proves it."""
    proven = {}
    for run_id, records in runs_of(cluster, release).items():
        progress = fold(records)
        content = (progress.plan.settings if progress.plan else {}).get("content", "")
        if progress.end == EndState.SUCCEEDED.value and content:
            proven[str(content)] = f"run {run_id} completed with it"
    return proven


class Live(NamedTuple):
    """Live objects by reference, the (group, kind) pairs listed whole, and those that may not be listed.

    near: kinds of routes that may be listed in the release's own namespace only.
    """

    objects: dict[ObjectRef, Object]
    listed: frozenset[tuple[str, str]]
    denied: dict[tuple[str, str], str]
    near: tuple[str, ...] = ()

    @property
    def whole(self) -> frozenset[tuple[str, str]]:
        """What was listed wherever a router looks for it."""
        return frozenset(kind for kind in self.listed if kind[1] not in self.near)


def list_live(cluster: Cluster, served: Served, change: Change, release: Release) -> Live:
    """Every object of the kinds that the revisions and the checks name: one LIST per kind and namespace.

    Of routes those of other namespaces too that send users to a Service of the release's, where they may be read.
    """
    wanted = sorted(_to_list(served, change, release), key=lambda pair: (pair[0].plural, pair[1]))
    answers = in_parallel(lambda pair: _list(cluster, *pair), wanted)
    near = []
    for number, (resource, namespace) in enumerate(wanted):
        if _everywhere(resource, namespace) and isinstance(answers[number], str):
            answers[number] = _list(cluster, resource, release.namespace)
            near.append(resource.gvk.kind)
    owned = {*change.current.objects, *change.target.objects}
    live: dict[ObjectRef, Object] = {}
    listed, denied, context = set(), {}, context_kinds()
    for (resource, namespace), answer in zip(wanted, answers, strict=True):
        kind = (resource.gvk.group, resource.gvk.kind)
        if isinstance(answer, str):
            denied[kind] = answer
            continue
        if namespace in ("", release.namespace):
            listed.add(kind)
        found = {ref_of(obj): obj for obj in answer}
        if _everywhere(resource, namespace) and kind not in context:
            found = {ref: obj for ref, obj in found.items() if ref in owned or concerns(obj, release)}
        live.update(found)
    return Live(live, frozenset(listed), denied, tuple(near))


def _to_list(served: Served, change: Change, release: Release) -> set[tuple[Resource, str]]:
    found: set[tuple[Resource, str]] = set()
    for revision in (change.current, change.target):
        for ref, obj in revision.objects.items():
            resource = served.of(obj)
            if resource:
                found.add((resource, ref.namespace if resource.namespaced else ""))
    for group, kind in (*needs(), *SCENE):
        resource = served.preferred(group, kind)
        if resource:
            found.add((resource, release.namespace if resource.namespaced else ""))
    kinds = route_kinds() | context_kinds()
    routes = {resource for resource in (served.preferred(*kind) for kind in kinds) if resource}
    beside = {(resource, release.namespace) for resource in routes}
    return (found - beside) | {(resource, "") for resource in routes}


def _everywhere(resource: Resource, namespace: str) -> bool:
    return resource.namespaced and not namespace


def _list(cluster: Cluster, resource: Resource, namespace: str) -> list[Object] | str:
    """The objects, or why they may not be read."""
    fields = NO_RECORDS if resource.plural == SECRETS.plural and not resource.gvk.group else ""
    try:
        items = cluster.list(resource, namespace, fields=fields).items
    except Forbidden as error:
        return error.message
    return [hash_secret(item) if item.get("kind") == "Secret" else item for item in items]


def _dry_runs(cluster: Cluster, served: Served, target: Revision, settings: Settings) -> dict[ObjectRef, DryRun]:
    """Every target object as the API server would take it; conflicts are asked for only where Helm would meet them."""
    known = [(ref, obj, served.of(obj)) for ref, obj in target.objects.items()]
    force = not applies_server_side(target, settings) or settings.native.force_conflicts

    def ask(row: tuple[ObjectRef, Object, Resource]) -> tuple[ObjectRef, DryRun]:
        ref, obj, resource = row
        return ref, cluster.dry_run(resource, obj, manager=HELM_MANAGER, force=force)

    return dict(in_parallel(ask, [(ref, obj, resource) for ref, obj, resource in known if resource]))


def applies_server_side(target: Revision, settings: Settings) -> bool:
    """Whether native rollback will use server-side apply (Helm 4; auto follows the target revision's record)."""
    mode = settings.native.server_side
    return target.server_side if mode == "auto" else mode == "true"


def _to_review(
    served: Served, change: Change, release: Release, staged: list[permissions.Permission]
) -> list[permissions.Permission]:
    """What neither a list nor a dry run proves."""
    asked = permissions.of_run(
        served,
        release,
        (change.current, change.target),
        deleted=change.removed,
        reads=needs(),
        staged=staged,
    )
    listed = {(resource.gvk.group, resource.gvk.kind) for resource, _ in _to_list(served, change, release)}
    return permissions.to_review(asked, listed, staged)


def _review(cluster: Cluster, wanted: list[permissions.Permission]) -> Mapping[str, bool]:
    """One access review for each."""
    ordered = list({_key(each): each for each in wanted}.values())
    answers = in_parallel(
        lambda each: cluster.allowed(each.verb, each.resource, each.namespace, each.subresource), ordered
    )
    return dict(zip(map(_key, ordered), answers, strict=True))


def _key(each: permissions.Permission) -> str:
    return permission_key(each.verb, each.resource, each.subresource)


def permissions_to_stage(
    served: Served, change: Change, release: Release, live: Mapping[ObjectRef, Object], staging: Staging
) -> list[permissions.Permission]:
    """What a standby of these workloads, or a known-good backend, asks for."""
    try:
        made = [gvk_of(obj) for obj in standby_objects(staging, change, live, "planned", release.name)]
    except CannotStandBy:  # the checks say why
        made = []
    scalers = [ref_of(obj) for each in staging.staged for obj in holders(live.values(), each.workload)]
    return list(permissions.of_staging(served, release, staging, made, scalers))


def permission_key(verb: str, resource: Resource, subresource: str = "") -> str:
    """The words "verb plural.group[/subresource]", as kubectl auth can-i spells it."""
    group = f".{resource.gvk.group}" if resource.gvk.group else ""
    return f"{verb} {resource.plural}{group}" + (f"/{subresource}" if subresource else "")
