"""A guard in the cluster beside a run, made before the first user moves and removed with what the run made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, ref_of, sequence
from helm_safe.model.errors import UsageError
from helm_safe.model.health import trouble_of
from helm_safe.model.in_cluster import GUARD, account, bindings, guard, labels, names, owned_by, selector
from helm_safe.model.plan import Stage, Step
from helm_safe.model.resources import DEPLOYMENTS, PODS
from helm_safe.model.revisions import Release
from helm_safe.rollback import permissions
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run, World
from helm_safe.rollback.inspect import permissions_to_stage
from helm_safe.rollback.scene import Scene

STARTS, POLL = 90.0, 1.0
"""Seconds for the guard's pod to be up, and between two looks."""
MOVES = ("standby", "shift", "replicas")


def manifests(scene: Scene, image: str, after: float) -> list[Object]:
    """The Deployment first: the others are its own and go with it. Rights: what an abort of this plan needs."""
    snapshot = scene.snapshot
    release = snapshot.history.release
    staged = permissions_to_stage(snapshot.served, snapshot.change, release, snapshot.live, snapshot.staging)
    rights = permissions.of_guard(release, staged)
    roles = permissions.roles(rights, release)
    return [guard(release, image, after), account(release, GUARD), *bindings(release, GUARD, roles)]


def before(scene: Scene, strategy: str) -> Iterator[Step]:
    settings = scene.settings
    if settings.watchdog and strategy in MOVES:
        seconds = settings.resolved.value("in-cluster.after")
        image = settings.resolved.value("in-cluster.image")
        if not image:
            raise UsageError(
                "--watchdog: no image is named", "Name one with --image, or in the policy (in-cluster.image)."
            )
        made = manifests(scene, image, seconds)
        title = f"leave a watchdog in the cluster: {seconds:.0f} s without a sign of life of this run and it acts"
        yield Step("watchdog", Stage.STANDBY, "watchdog", title, {"objects": made})


def after(scene: Scene, strategy: str) -> Iterator[Step]:
    if scene.settings.watchdog and strategy in MOVES:
        yield Step("end watchdog", Stage.CLEANUP, "end watchdog", "remove the watchdog")


def undo(scene: Scene, strategy: str) -> tuple[Step, ...]:
    return tuple(replace(step, id="undo watchdog") for step in after(scene, strategy))


def leave(run: Run, step: Step, again: bool) -> Outcome:
    """Make the guard; it has its rights a moment after it starts. again: one that is there may be this run's."""
    first, *others = step.args["objects"]
    owner = _made(run, first, keep=again)
    if owner is None:
        return failed(f"{ref_of(first)} is there already and is not ours")
    for obj in others:
        if _made(run, owned_by(obj, owner), keep=True) is None:
            return failed(f"{ref_of(obj)} is there already and is not ours")
    why = _lacking(run)
    return failed(f"{ref_of(first)} does not run: {why}") if why else passed(f"{ref_of(first)} watches this run")


def _lacking(run: Run) -> str:
    """Wait until its pod is up; why it is not, "" when it is. A guard that never starts must not be relied on."""
    clock, ref, began = run.world.clock, guard_ref(run.release), run.world.clock.monotonic()
    while True:
        run.safe_point("while the watchdog starts; no user has been moved")
        live = run.world.cluster.get(DEPLOYMENTS, ref.namespace, ref.name) or {}
        if int(dig(live, "status", "availableReplicas") or 0):
            return ""
        late = clock.monotonic() - began > STARTS
        why = _trouble(run) or ("its pod was not up in time" if late else "")
        if why:
            return why
        clock.sleep(POLL)


def _trouble(run: Run) -> str:
    """Why its pod cannot come up, "" while nothing says so."""
    pods = run.world.cluster.list(PODS, run.release.namespace, labels=selector(run.release, GUARD)).items
    return next(filter(None, map(trouble_of, pods)), "")


def end(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - deleting twice is harmless
    """Its rights are its own objects: the guard itself removes them as the very last, not here."""
    if run.settings.guarding:
        return passed("the watchdog removes itself when all is done")
    remove(run.world, run.release)
    return passed("the watchdog is gone")


def remove(world: World, release: Release) -> None:
    """The Deployment; the rest of the guard is owned by it."""
    world.cluster.delete(DEPLOYMENTS, guard_ref(release))


def guard_ref(release: Release) -> ObjectRef:
    return ObjectRef("apps", "Deployment", release.namespace, names(release, GUARD))


def _made(run: Run, obj: Object, *, keep: bool) -> Object | None:
    """Create it; one of an earlier run that is still there is replaced, because it may have other rights, and goes with
    its Deployment. keep: this run's own is as good. None where it is somebody else's.
    """
    cluster, ref = run.world.cluster, ref_of(obj)
    resource = cluster.served().of(obj)
    assert resource is not None  # noqa: S101 - kinds that every cluster serves
    live = cluster.get(resource, ref.namespace, ref.name)
    if live is not None:
        if labels_of(live) != labels(run.release, GUARD):
            return None
        if keep and _owners(live) == _owners(obj):
            return live
        cluster.delete(resource, ref, uid=str(dig(live, "metadata", "uid")))
    return cluster.create(resource, obj)


def _owners(obj: Object) -> list[str]:
    return [str(dig(each, "uid")) for each in sequence(obj, "metadata", "ownerReferences")]
