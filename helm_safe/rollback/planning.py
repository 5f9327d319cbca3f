"""PLAN: from a Snapshot and its findings to the steps of a run, and to honest words about what they cannot do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from helm_safe.checks.bridge import bridge_of, undo_of
from helm_safe.checks.facts import ROLLBACK_EVENTS, UPGRADE_EVENTS
from helm_safe.core.findings import Finding, Status
from helm_safe.core.objects import ObjectRef, dig
from helm_safe.core.workloads import pod_template
from helm_safe.model.plan import Advice, Plan, Stage, Step
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.staging import autoscaler_of, count_before, reads_changed, serving
from helm_safe.model.verdict import judge
from helm_safe.rollback import by_partition, by_ratio, following, gitops, guarding
from helm_safe.rollback.discovery import route_kinds
from helm_safe.rollback.gate import ACCEPTED
from helm_safe.rollback.notes import notes
from helm_safe.rollback.queries import left_out
from helm_safe.rollback.scene import Scene
from helm_safe.rollback.strategy import (
    after_rollback,
    after_watch,
    before_commit,
    floors,
    hold_users,
    holds,
    isolation,
    traffic,
    undo,
    verify_shares,
)


def build_plan(scene: Scene, strategy: str, why: str, findings: Sequence[Finding]) -> Plan:
    """The whole course of a rollback by that strategy."""
    snapshot = scene.snapshot
    change, release = snapshot.change, snapshot.history.release
    moved = traffic(strategy, scene)
    verify_shares(moved, scene.settings)
    verdict = judge(
        findings,
        release=release.name,
        current=change.current.number,
        target=change.target.number,
        undo=undo_of(snapshot),
    )
    return Plan(
        namespace=release.namespace,
        release=release.name,
        current=change.current.number,
        target=change.target.number,
        strategy=strategy,
        why=why,
        steps=tuple(_steps(strategy, scene)),
        advice=verdict.advice,
        reasons=verdict.reasons,
        verdict=verdict.why,
        way=verdict.way,
        unless=verdict.unless,
        bridge=bridge_of(snapshot) if verdict.advice is Advice.BRIDGE else None,
        lost=tuple(_lost(snapshot)),
        settings=_to_remember(strategy, scene, findings),
        undo=(*undo(strategy, scene), *gitops.undo(snapshot), *guarding.undo(scene, strategy)),
        hold=hold_users(strategy, scene),
        traffic=moved,
        notes=tuple(notes(strategy, scene, moved, left_out(findings))),
    )


def _steps(strategy: str, scene: Scene) -> Iterator[Step]:
    snapshot, settings = scene.snapshot, scene.settings
    if strategy == "shift":
        yield isolation(scene)
    yield Step("autopsy", Stage.AUTOPSY, "autopsy", "save logs, events and pod states of the current revision")
    yield from gitops.before(snapshot)
    yield from guarding.before(scene, strategy)
    yield from before_commit(strategy, scene)
    yield from _repairs(snapshot)
    yield from _recreations(snapshot, settings)
    yield _native(snapshot, settings)
    yield from after_rollback(strategy, scene)
    wanted = replicas_wanted(snapshot)
    first = {**wanted, **(by_ratio.first_pods(scene) if strategy == "replicas" else {})}
    title = _replicas_title(first)
    if strategy != "replicas":
        yield Step("replicas", Stage.COMMIT, "replicas", title, {"wanted": first})
    stays = strategy in ("native", "express", "partition")
    yield from _restarts(snapshot, () if stays else tuple(scene.workloads))
    yield Step("verify", Stage.COMMIT, "verify", "verify the release record and every live object")
    if strategy == "replicas":
        # Users who were held at the standby come back by it once more.
        yield Step("replicas", Stage.WATCH, "replicas", title, {"wanted": first})
    yield from by_partition.let_go(scene) if strategy == "partition" else ()
    yield Step(
        "watch",
        Stage.WATCH,
        "watch",
        f"watch the restored pods for {settings.bake:.0f} s: rollout, restarts, logs",
        {"workloads": [str(ref) for ref in staged_workloads(snapshot)], "bake": settings.bake},
    )
    yield from following.steps(snapshot)
    yield from after_watch(strategy, scene)
    yield from gitops.after(snapshot)
    yield from guarding.after(scene, strategy)
    yield Step("cleanup", Stage.CLEANUP, "cleanup", "drop what this run holds, keep its journal")


def _native(snapshot: Snapshot, settings: Settings) -> Step:
    number = snapshot.change.target.number
    call = "upgrade" if settings.forward else "rollback"
    title = f"native helm {call} to revision {number}" + hooks_note(snapshot, settings)
    return Step("rollback", Stage.COMMIT, "rollback", title, {"to": number})


def staged_workloads(snapshot: Snapshot) -> list[ObjectRef]:
    """The workloads of the target whose pods serve after the rollback, but for those that somebody else drives."""
    driven = {each.driven for each in snapshot.drivers} | {str(each.ref) for each in snapshot.drivers}
    return [ref for ref in serving(snapshot.change.target.objects) if str(ref) not in driven]


def replicas_wanted(snapshot: Snapshot) -> dict[str, int]:
    """Replicas that each workload must have after the rollback, "Deployment/api" -> count.

    Where the target's manifest names a number and no autoscaler acts, Helm restores that number. Everywhere else Helm
    leaves the live count alone, a count of 0 included, so the count of before the incident is what users need.
    """
    wanted = {}
    for ref in staged_workloads(snapshot):
        if ref.kind == "DaemonSet":
            continue
        declared = dig(snapshot.change.target.objects[ref], "spec", "replicas")
        counted = declared is not None and autoscaler_of(snapshot.live, ref) is None
        wanted[str(ref)] = int(declared) if counted else count_before(snapshot.live, ref, declared)
    return wanted


def hooks_note(snapshot: Snapshot, settings: Settings) -> str:
    """Which of the target's hooks native rollback will run, in words; "" where none."""
    events = UPGRADE_EVENTS if settings.forward else ROLLBACK_EVENTS
    names = [hook.name for hook in snapshot.change.target.hooks if set(events) & set(hook.events)]
    if not names:
        return ""
    return f" (hooks skipped: {', '.join(names)})" if settings.native.no_hooks else f" (runs hooks: {', '.join(names)})"


def _replicas_title(wanted: Mapping[str, int]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in wanted.items())
    return f"see that replicas are as before ({counts})" if counts else "no replicas to restore"


def _repairs(snapshot: Snapshot) -> Iterator[Step]:
    """Helm diffs against the last record whatever became of it: one that never fully applied is repaired by going
    through the revision that runs (reference: two hops; verified with Helm 3 and 4).
    """
    last, deployed = snapshot.history.last, snapshot.history.deployed
    unfinished = last.status.pending or last.status is RevisionStatus.FAILED
    if unfinished and deployed and deployed.number != last.number and deployed.content != last.content:
        if deployed.number == snapshot.change.target.number and not last.status.pending:
            return  # one hop: the failed record is the base of the diff, the deployed one its target
        yield Step(
            "repair",
            Stage.COMMIT,
            "repair",
            f"first return to revision {deployed.number}, because revision {last.number} is {last.status.value} "
            "and may never have been applied whole",
            {"to": deployed.number},
        )


def _recreations(snapshot: Snapshot, settings: Settings) -> Iterator[Step]:
    for name in sorted(settings.recreate):
        ref = next((each for each in snapshot.change.target.objects if str(each) == name), None)
        if ref and ref in snapshot.live:
            yield Step(
                f"recreate {name}",
                Stage.COMMIT,
                "recreate",
                f"delete {name}, so that the rollback makes it anew",
                {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name},
            )


def _restarts(snapshot: Snapshot, drained: Collection[str]) -> Iterator[Step]:
    """drained: workloads whose pods are all new anyway."""
    names = [str(ref) for ref in configuration_only(snapshot) if str(ref) not in drained]
    if names:
        title = f"replace the pods of {', '.join(names)}: only their configuration differs, Helm would restart nothing"
        yield Step("restart", Stage.COMMIT, "restart", title, {"workloads": names})


def configuration_only(snapshot: Snapshot) -> list[ObjectRef]:
    """Workloads with an equal pod template in both revisions whose ConfigMaps or Secrets differ."""
    change = snapshot.change
    return [
        ref
        for ref in staged_workloads(snapshot)
        if ref in change.current.objects
        and pod_template(change.current.objects[ref]) == pod_template(change.target.objects[ref])
        and reads_changed(change, ref)
    ]


def _lost(snapshot: Snapshot) -> Iterator[str]:
    """What stays in the present, said before anything is touched."""
    change = snapshot.change
    kinds = {ref.kind for ref in (*change.current.objects, *change.target.objects)}
    if "PersistentVolumeClaim" in kinds or "StatefulSet" in kinds:
        yield "data on volumes: what the current revision wrote stays written"
    ran = [hook.name for hook in change.current.hooks if {"pre-upgrade", "post-upgrade"} & set(hook.events)]
    if ran:
        yield f"what the upgrade hooks of revision {change.current.number} did ({', '.join(ran)}), e.g. to a database"
    if change.current.crds != change.target.crds:
        yield "CustomResourceDefinitions in the chart's crds/ folder: Helm never changes them"
    yield "databases, caches, queues and configuration outside this release"


def _to_remember(strategy: str, scene: Scene, findings: Sequence[Finding]) -> dict[str, Any]:
    """What `resume` on another machine needs again; native flags included."""
    snapshot, settings = scene.snapshot, scene.settings
    native = settings.native
    return {
        "content": snapshot.change.target.content,
        "forward": settings.forward,
        "bake": settings.bake,
        "timeout": settings.timeout,
        "last": snapshot.history.last.number,
        "accept": dict(settings.accept),
        "options": settings.resolved.to_json(),
        "native": {name: getattr(native, name) for name in type(native).__dataclass_fields__},
        "staging": snapshot.staging.to_json(),
        "holds": holds(scene) if strategy in ("standby", "shift", "replicas") else [],
        "gitops": [list(owner.ref) for owner in gitops.owners(snapshot)],
        "floors": floors(strategy, scene, replicas_wanted(snapshot)),
        "charted": sorted(str(ref) for ref in snapshot.change.target.objects if (ref.group, ref.kind) in route_kinds()),
        "isolated": scene.isolated,
        "rate": scene.rate,
        "unanswered": left_out(findings),
        "blind": any(each.check == ACCEPTED and each.status is Status.WAIVED for each in findings),
    }
