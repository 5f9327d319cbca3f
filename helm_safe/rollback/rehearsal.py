"""One pod of the target, away from all traffic: would the old code start on what is there today?

The pod and copies of its configuration are our own objects, found by their labels and removed in the end; the pod also
ends by itself (activeDeadlineSeconds). Nothing of the release is touched, so there is nothing to undo and no journal.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from helm_safe.checks.doubles import command_of
from helm_safe.checks.facts import Workload
from helm_safe.checks.migrators import sign_of
from helm_safe.checks.run import run_checks
from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object, ObjectRef, dig, mapping, name_of, ref_of, sequence
from helm_safe.core.redact import redact
from helm_safe.core.references import renamed
from helm_safe.core.workloads import pod_template, workload_kind
from helm_safe.model.asking import PodRequest
from helm_safe.model.errors import Blocked, ClusterError, UsageError
from helm_safe.model.events import Event, Level
from helm_safe.model.health import is_ready, restarted, state_of, trouble_of, unplaced
from helm_safe.model.own import CannotStandBy, Owner
from helm_safe.model.plan import Stage
from helm_safe.model.resources import PODS
from helm_safe.model.signatures import scan
from helm_safe.model.snapshot import Resource, Snapshot
from helm_safe.model.staging import Staged, Staging
from helm_safe.model.standby_copies import copies_for
from helm_safe.model.targets import target_of
from helm_safe.rollback.context import World

ROLE = "rehearsal"
POLL = 1.0
REQUESTS = 20
REFUSED_BY = ("DB-BOOT-001", "DB-SYNC-001", "STBY-004", "STBY-005")
"""What a pod of the old code must not do beside the live ones, and what nobody can prove that it does not."""
MARGIN = 120.0  # seconds after which the pod ends by itself, should nobody be left to remove it


class Rehearsed(NamedTuple):
    """What was seen. good: ready for the whole bake without a known sign of trouble. said: why not, or how long it
    took. signs: lines of its logs that are known, redacted. stripped: containers that were left out.
    """

    workload: str
    good: bool
    said: str
    signs: tuple[str, ...] = ()
    stripped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        body = self._asdict()
        return {**body, "signs": list(self.signs), "stripped": list(self.stripped)}


def rehearse(world: World, snapshot: Snapshot, *, bake: float, timeout: float) -> list[Rehearsed]:
    """Every changed long-running workload of the target, one after the other.

    Raises Blocked where the old code cannot be kept from what it would do, UsageError where nothing is to be rehearsed.
    """
    wanted = list(_changed(snapshot))
    if not wanted:
        raise UsageError("no workload of the target differs from the current one: there is nothing to rehearse")
    parts = [_part(snapshot, workload, bake + timeout + MARGIN) for workload in wanted]
    return [_play(world, snapshot, part, bake, timeout) for part in parts]


class _Part(NamedTuple):
    """What is made for one workload, the pod last, and which containers were left out of it."""

    workload: ObjectRef
    made: list[Object]
    stripped: tuple[str, ...]


def _changed(snapshot: Snapshot) -> Iterator[ObjectRef]:
    change = snapshot.change
    for ref, obj in change.target.objects.items():
        kind = workload_kind(ref.group, ref.kind)
        if kind and kind.long_running and pod_template(change.current.objects.get(ref, {})) != pod_template(obj):
            yield ref


def _part(snapshot: Snapshot, ref: ObjectRef, deadline: float) -> _Part:
    """Raises Blocked."""
    template, stripped = _stripped(snapshot, ref)
    _refuse(snapshot, ref, template)
    release, run_id = snapshot.history.release, secrets.token_hex(3)
    owner = Owner(run_id, release.name)
    try:
        copies = copies_for((ref,), snapshot.change, snapshot.live, owner)
    except CannotStandBy as error:
        raise Blocked(f"{ref} cannot be rehearsed: {error}") from None
    spec = {key: value for key, value in mapping(renamed(template, copies.names), "spec").items() if key != "nodeName"}
    spec |= {"restartPolicy": "Always", "activeDeadlineSeconds": int(deadline)}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{ref.name[:40]}-rehearsal-{run_id}", "namespace": ref.namespace},
        "spec": spec,
    }
    made = [*copies.config.values(), *copies.accounts.values(), pod]
    return _Part(ref, [_ours(obj, release.name) for obj in made], stripped)


def _ours(obj: Object, release: str) -> Object:
    """Under our labels alone: no Service, workload or policy of anybody selects it."""
    labels = {MANAGED_BY_LABEL: MANAGED_BY, RELEASE_LABEL: release, ROLE_LABEL: ROLE}
    return {**obj, "metadata": {**mapping(obj, "metadata"), "labels": labels}}


def _stripped(snapshot: Snapshot, ref: ObjectRef) -> tuple[Object, tuple[str, ...]]:
    """The target's template without init containers that run a migration tool."""
    obj = snapshot.change.target.objects[ref]
    template, kind = pod_template(obj), workload_kind(ref.group, ref.kind)
    if kind is None:
        return template, ()
    workload = Workload(ref, obj, kind)
    inits = sequence(template, "spec", "initContainers")
    gone = [each for each in inits if sign_of(snapshot, workload, each)]
    spec = {**mapping(template, "spec"), "initContainers": [each for each in inits if each not in gone]}
    return {**template, "spec": spec}, tuple(f"{each.get('name')} ({command_of(each)[:80]})" for each in gone)


def _refuse(snapshot: Snapshot, ref: ObjectRef, template: Object) -> None:
    """Judge the pod as if it were doubled, without what was stripped. Raises Blocked."""
    target = snapshot.change.target
    obj = target.objects[ref]
    bare = {**obj, "spec": {**mapping(obj, "spec"), "template": template}}
    changed = replace(target, objects={**target.objects, ref: bare})
    staging = Staging(staged=(Staged(ref, f"{ref.name}-rehearsal", 1, ()),))
    settings = replace(snapshot.settings, strategy="standby")
    doubled = replace(snapshot, change=replace(snapshot.change, target=changed), staging=staging, settings=settings)
    found = [each for each in run_checks(doubled) if each.check in REFUSED_BY and _counts(each, ref)]
    if found:
        ids = ", ".join(dict.fromkeys(each.check for each in found))
        raise Blocked(
            f"{ref} cannot be rehearsed: {found[0].message}",
            f'Nothing was started. Where that is safe now: --accept {ids.partition(",")[0]}="why".',
        )


def _counts(finding: Finding, ref: ObjectRef) -> bool:
    """A milder finding counts too: beside the live pods even the same migration or consumer is one too many."""
    accepted = bool(finding.waiver)
    return finding.object == str(ref) and finding.severity is not Severity.INFO and not accepted


def _play(world: World, snapshot: Snapshot, part: _Part, bake: float, timeout: float) -> Rehearsed:
    pod, done = part.made[-1], []
    ref = ref_of(pod)
    try:
        for obj in part.made:
            resource = snapshot.served.of(obj) or PODS
            world.cluster.create(resource, obj)
            done.append((resource, ref_of(obj)))
        words = f"{ref} rehearses {part.workload}, away from all traffic"
        world.reporter.event(Event(world.clock.now(), Stage.STANDBY.value, Level.INFO, words))
        good, said = _watch(world, ref, bake, timeout)
        bad = _unanswered(world, ref, str(snapshot.settings.resolved.value("warm-up.path"))) if good else ""
        good, said = (False, bad) if bad else (good, said)
        signs = _signs(world, ref, [str(each.get("name")) for each in sequence(pod, "spec", "containers")])
        if signs:
            good, said = False, f"its logs tell of trouble: {signs[0]}"
        return Rehearsed(str(part.workload), good, said, signs, part.stripped)
    finally:
        _remove(world, done)


def _watch(world: World, ref: ObjectRef, bake: float, timeout: float) -> tuple[bool, str]:
    """Until the pod was ready for `bake` seconds, ended, or `timeout` passed."""
    clock = world.clock
    begin, since = clock.monotonic(), None
    while clock.monotonic() - begin < timeout:
        pod = world.cluster.get(PODS, ref.namespace, ref.name)
        if pod is None:
            return False, "somebody removed the pod"
        why = trouble_of(pod) or restarted(pod) or unplaced(pod)
        if why or str(dig(pod, "status", "phase")) in ("Failed", "Succeeded"):
            return False, why or f"the pod is {state_of(pod)}"
        if is_ready(pod):
            since = since or clock.monotonic()
            if clock.monotonic() - since >= bake:
                return True, f"ready after {since - begin:.0f} s, and for {bake:.0f} s since"
        else:
            since = None
        clock.sleep(POLL)
    return False, f"not ready within {timeout:.0f} s"


def _unanswered(world: World, ref: ObjectRef, path: str) -> str:
    """Ask it as a warm-up would, only by GET: errors that come with requests are in no log before.

    What went wrong in words, "" where nothing did.
    A pod that says nowhere where it answers HTTP is not asked.
    """
    pod = world.cluster.get(PODS, ref.namespace, ref.name) or {}
    target = target_of(pod, path)
    if target is None:
        return ""
    answers = []
    for _ in range(REQUESTS):
        try:
            answers.append(
                world.cluster.proxied(ref.namespace, target.host, target.port, PodRequest(target.path)).status
            )
        except ClusterError as error:
            return f"it could not be asked: {error.message}"
    failed = [status for status in answers if not 0 < status < 500]
    return (
        f"{len(failed)} of {REQUESTS} requests to {target.path} failed, with {failed[0] or 'no answer'}"
        if failed
        else ""
    )


def _signs(world: World, ref: ObjectRef, names: list[str]) -> tuple[str, ...]:
    found = []
    for name in names:
        with suppress(ClusterError):  # a container that never started has no log
            log = world.cluster.logs(ref.namespace, ref.name, name)
            found += [f"{match.signature.meaning} ({match.signature.id}): {redact(match.line)}" for match in scan(log)]
    return tuple(dict.fromkeys(found))[:5]


def _remove(world: World, done: list[tuple[Resource, ObjectRef]]) -> None:
    for resource, ref in reversed(done):
        try:
            world.cluster.delete(resource, ref)
        except ClusterError as error:
            words = f"{ref} could not be removed: {error.message}"
            world.reporter.event(Event(world.clock.now(), Stage.CLEANUP.value, Level.WARNING, words))


def leftovers(world: World, release_name: str, namespace: str) -> list[str]:
    """Remove pods of rehearsals whose process was killed; those that still run may be another person's."""
    labels = f"{MANAGED_BY_LABEL}={MANAGED_BY},{RELEASE_LABEL}={release_name},{ROLE_LABEL}={ROLE}"
    ended = [
        pod
        for pod in world.cluster.list(PODS, namespace, labels=labels).items
        if str(dig(pod, "status", "phase")) in ("Failed", "Succeeded")
    ]
    for pod in ended:
        world.cluster.delete(PODS, ref_of(pod), uid=str(dig(pod, "metadata", "uid") or ""))
    return [name_of(pod) for pod in ended]
