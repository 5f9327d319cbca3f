"""COMMIT: the native rollback, and the proof of what it really did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.core.workloads import containers, pod_template
from helm_safe.model.changes import Change, kept
from helm_safe.model.errors import Blocked, OutcomeUnknown, UsageError
from helm_safe.model.events import Level
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage, Step
from helm_safe.model.records import Kind
from helm_safe.model.resources import WORKLOADS
from helm_safe.model.revisions import History, Revision, RevisionStatus
from helm_safe.model.settings import NativeOptions
from helm_safe.ports import NativeResult
from helm_safe.rollback.context import Run
from helm_safe.rollback.hygiene import forget_us
from helm_safe.rollback.inspect import list_live

Outcome = dict[str, Any]
NATIVE_TIMEOUT = 300.0
BEGUN = "native rollback"
"""The record of when it began: Helm may be busy with hooks long after the pods that it restored have started."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"  # what `kubectl rollout restart` writes


def passed(message: str, **facts: Any) -> Outcome:
    return {"verdict": Verdict.PASS.value, "message": message, **facts}


def failed(reason: str, **facts: Any) -> Outcome:
    return {"verdict": Verdict.FAIL.value, "reason": reason, **facts}


def repair(run: Run, step: Step, again: bool) -> Outcome:
    """Hop to the deployed revision without hooks, so that the next diff has an applied base."""
    history = run.world.releases.history(run.release)
    if again and _is_copy(history.last, history.get(step.args["to"])):
        return passed("the repair had been done")
    result = _native(run, step.args["to"], NativeOptions(no_hooks=True, server_side=_server_side(run)))
    history = run.world.releases.history(run.release)
    if not _is_copy(history.last, history.get(step.args["to"])):
        return failed(f"the repairing rollback to revision {step.args['to']} did not succeed: {result.output[-500:]}")
    return passed(f"revision {history.last.number} repeats revision {step.args['to']}")


def recreate(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - deleting twice is harmless
    """Delete an immutable object that the user named; the rollback creates it anew."""
    ref = ObjectRef(step.args["group"], step.args["kind"], step.args["namespace"], step.args["name"])
    resource = run.world.cluster.served().preferred(ref.group, ref.kind)
    if resource is None:
        return failed(f"{ref} is of a kind that the API server does not serve")
    live = run.world.cluster.get(resource, ref.namespace, ref.name)
    if live is None:
        return passed(f"{ref} is gone already")
    run.world.cluster.delete(resource, ref, uid=str(dig(live, "metadata", "uid") or ""))
    return passed(f"{ref} deleted")


def rollback(run: Run, step: Step, again: bool) -> Outcome:
    """The native rollback, once: never repeated when its record shows that it ran."""
    target_number = step.args["to"]
    history = run.world.releases.history(run.release)
    target = history.get(target_number)
    if target is None and run.plan.settings.get("forward"):
        return failed("only `forward` itself knows the chart of this upgrade: begin it anew")
    if target is None:
        return failed(f"revision {target_number} has disappeared from the history")
    if again:
        history = _settle(run, history)
        if _is_copy(history.last, target):
            return passed(f"had run: revision {history.last.number} is live", revision=history.last.number)
    _refuse_if_moved(run, history, target, again=again)
    if history.last.number > _expected(run) and _unfinished(history.last):
        history = _go_back(run)
    if not run.captured(BEGUN):
        run.record(Kind.CAPTURED, step.stage, BEGUN, {"at": run.world.cluster.now().isoformat()})
    result = _native(run, target_number, _options(run))
    after = run.world.releases.history(run.release)
    return _judge_record(run, history.last, target, after.last, result)


def replicas(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Scale up what Helm left with fewer pods than before: it does not touch replicas that the manifest omits."""
    wanted: dict[str, int] = step.args["wanted"]
    restored = [f"{name} to {count}" for name, count in wanted.items() if scale(run, name, count, only_up=True)]
    return passed(f"scaled {', '.join(restored)}" if restored else "replicas are as before")


def scale(run: Run, name: str, count: int, *, only_up: bool = False) -> bool:
    """Give a workload ("Deployment/api") that many pods; returns whether anything had to be written."""
    kind, _, object_name = name.partition("/")
    ref = ObjectRef("apps", kind, run.release.namespace, object_name)
    live = run.world.cluster.get(WORKLOADS[kind], ref.namespace, ref.name)
    if live is None:
        return False
    now = int(dig(live, "spec", "replicas") or 0)
    differs = now < count or (now > count and not only_up)
    if differs:
        patch = {"spec": {"replicas": count}}
        run.world.cluster.patch(WORKLOADS[kind], ref, patch, manager=MANAGED_BY, subresource="scale")
    forget_us(run, WORKLOADS[kind], ref)  # also what an earlier process wrote and could not finish
    return differs


def restart(run: Run, step: Step, again: bool) -> Outcome:
    """Replace pods whose configuration alone differs, the way `kubectl rollout restart` does."""
    stamp = run.world.cluster.now().isoformat()
    for name in step.args["workloads"]:
        kind, _, object_name = name.partition("/")
        live = run.world.cluster.get(WORKLOADS[kind], run.release.namespace, object_name)
        if live is None:
            continue
        ref = ObjectRef("apps", kind, run.release.namespace, object_name)
        if not (again and _restarted_in_this_run(run, live)):
            patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}}
            run.world.cluster.patch(WORKLOADS[kind], ref, patch, manager=MANAGED_BY)
        forget_us(run, WORKLOADS[kind], ref)
    return passed(f"pods of {', '.join(step.args['workloads'])} are being replaced")


def verify(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Compare record and live objects with the target; Helm's own success message proves neither."""
    history = run.world.releases.history(run.release)
    target = history.get(run.plan.target)
    restored = history.last
    if target is None or not _is_copy(restored, target):
        return failed(
            f"the last revision is {restored.number} ({restored.status.value}), not a copy of {run.plan.target}"
        )
    also = [str(each.number) for each in history.revisions[:-1] if each.status is RevisionStatus.DEPLOYED]
    if also:
        return failed(f"revisions {', '.join(also)} are marked deployed beside {restored.number}")
    live = list_live(
        run.world.cluster, run.world.cluster.served(), Change(_newest(history), target), run.release
    ).objects
    problems = [problem for ref in target.objects for problem in _compare(history, target, ref, live.get(ref))]
    if problems:
        return failed("; ".join(problems[:10]), problems=problems)
    orphans = _orphans(history, target, live)
    for orphan in orphans:
        run.tell(Stage.COMMIT, f"{orphan} of a newer revision was left in the cluster by helm", Level.WARNING)
    return passed(f"revision {restored.number} is deployed with the manifest of {target.number}", orphans=orphans)


def _native(run: Run, revision: int, options: NativeOptions) -> NativeResult:
    return run.world.releases.rollback(run.release, revision, options, timeout=NATIVE_TIMEOUT)


def _options(run: Run) -> NativeOptions:
    return NativeOptions(**run.plan.settings.get("native", {}))


def _server_side(run: Run) -> str:
    return _options(run).server_side


def _expected(run: Run) -> int:
    """The last revision as this run left it before its native rollback."""
    return int(run.plan.settings["last"]) + (1 if "repair" in run.progress.done else 0)


def _refuse_if_moved(run: Run, history: History, target: Revision, *, again: bool) -> None:
    """Somebody else's upgrade since PLAN would be undone unseen: stop before the write. What an earlier try of this run
    left is of its two revisions.
    """
    current = history.get(run.plan.current)
    ours = {target.manifest, current.manifest if current else target.manifest} if again else set()
    newer = [each for each in history.revisions if each.number > _expected(run) and not each.future]
    moved = [each for each in newer if each.manifest not in ours]
    if moved:
        raise Blocked(
            f"revision {moved[-1].number} of release {run.release} appeared since the plan was made",
            "Somebody else works on this release. Look at `helm history`, then plan again.",
        )


def _unfinished(revision: Revision) -> bool:
    return revision.status.pending or revision.status is RevisionStatus.FAILED


def _go_back(run: Run) -> History:
    """Where an earlier try of this run ended in the middle: back to the revision that it left, without hooks.

    Helm compares with the last record, whatever became of it, and would leave out what that try had not written.
    """
    _native(run, run.plan.current, NativeOptions(no_hooks=True, server_side=_server_side(run)))
    history = run.world.releases.history(run.release)
    if not _is_copy(history.last, history.get(run.plan.current)):
        raise OutcomeUnknown(
            f"revision {history.last.number} of release {run.release} is {history.last.status.value}, and returning to "
            f"revision {run.plan.current} first, to roll back whole, did not succeed",
            f"`helm history {run.release.name} -n {run.release.namespace}` tells; then resume or abort.",
        )
    return history


def _settle(run: Run, history: History) -> History:
    """A native rollback that an earlier process started may still run in its own session: let it finish."""
    deadline = run.world.clock.monotonic() + NATIVE_TIMEOUT
    while history.last.status is RevisionStatus.PENDING_ROLLBACK and history.last.number > run.plan.settings["last"]:
        age = (run.world.cluster.now() - history.last.deployed_at).total_seconds() if history.last.deployed_at else 0.0
        if age > NATIVE_TIMEOUT or run.world.clock.monotonic() > deadline:
            break
        run.world.clock.sleep(2.0)
        history = run.world.releases.history(run.release)
    return history


def _is_copy(last: Revision, target: Revision | None) -> bool:
    return (
        target is not None
        and (last.number != target.number or target.future)
        and last.status is RevisionStatus.DEPLOYED
        and last.manifest == target.manifest
    )


def _judge_record(run: Run, before: Revision, target: Revision, last: Revision, result: NativeResult) -> Outcome:
    """The release record after the call says what happened; exit code and message are hearsay."""
    said = result.output.strip()[-800:]
    if last.number == before.number:
        return {**failed(f"helm changed nothing: {said}"), "untouched": True}
    if last.number != before.number + 1:
        raise OutcomeUnknown(
            f"revision {last.number} appeared during the rollback of {run.release}: another writer is at work",
            f"`helm history {run.release.name} -n {run.release.namespace}` tells; then resume or abort.",
        )
    if _is_copy(last, target):
        return passed(f"helm made revision {last.number} from revision {target.number}", revision=last.number)
    if last.status is RevisionStatus.PENDING_ROLLBACK:
        return _after_pending(run, last, said)
    return failed(f"helm left revision {last.number} as {last.status.value}: {last.description or said}", said=said)


def _after_pending(run: Run, last: Revision, said: str) -> Outcome:
    """A record left pending blocks every upgrade. When a pre-rollback hook failed nothing was applied, and the record
    is all that there is to undo.
    """
    hooks = [
        hook for hook in last.hooks if "pre-rollback" in hook.events and hook.phase in ("Failed", "Running", "Unknown")
    ]
    applied = not hooks and "pre-rollback" not in said
    if applied:
        return failed(f"helm left revision {last.number} pending-rollback after applying it: {said}", said=said)
    try:
        run.world.releases.delete_record(run.release, last.record, RevisionStatus.PENDING_ROLLBACK.value)
    except UsageError as error:  # the storage driver offers no way to do it
        return failed(
            f"a pre-rollback hook of the target failed and no object was changed, but the record of revision "
            f"{last.number} stays pending-rollback and blocks every upgrade: {error.message}. {error.next_step} "
            f"Helm said: {said}"
        )
    run.record(Kind.NOTE, Stage.COMMIT, "rollback", {"removed record": last.record, "because": "its hook failed"})
    return {**failed(f"a pre-rollback hook of the target failed, nothing was applied: {said}"), "untouched": True}


def _restarted_in_this_run(run: Run, live: dict[str, Any]) -> bool:
    stamp = str(dig(live, "spec", "template", "metadata", "annotations", RESTARTED_AT) or "")
    started = run.progress.started_at
    return bool(stamp and started and stamp >= started.isoformat())


def _newest(history: History) -> Revision:
    """The revision that was left: its objects beside the target's tell which kinds to list."""
    return history.revisions[-2] if len(history.revisions) > 1 else history.last


def _compare(history: History, target: Revision, ref: ObjectRef, live: Object | None) -> list[str]:
    """What users would feel: an object that is missing, an image that is not the revision's, a leftover container."""
    if live is None:
        return [f"{ref} is missing"]
    template = pod_template(target.objects[ref])
    if template is None:
        return []
    return _compare_containers(ref, template, pod_template(live) or {}, _newer_containers(history, target, ref))


def _compare_containers(ref: ObjectRef, wanted: dict[str, Any], live: dict[str, Any], newer: set[str]) -> list[str]:
    problems = []
    running = {str(each.get("name")): each for each in containers(live)}
    for container in containers(wanted):
        name = str(container.get("name"))
        image = running.pop(name, {}).get("image")
        if image != container.get("image"):
            problems.append(
                f"{ref}: container {name} runs {image or 'nothing'}, revision wants {container.get('image')}"
            )
    problems += [f"{ref}: container {name} of a newer revision was left over" for name in running if name in newer]
    return problems


def _newer_containers(history: History, target: Revision, ref: ObjectRef) -> set[str]:
    return {
        str(container.get("name"))
        for revision in history.revisions
        if revision.number > target.number and ref in revision.objects
        for container in containers(pod_template(revision.objects[ref]) or {})
    }


def _orphans(history: History, target: Revision, live: Mapping[ObjectRef, Object]) -> list[str]:
    """What newer revisions left behind: Helm 3 hides a delete that failed."""
    left = {
        ref
        for revision in history.revisions
        if revision.number > target.number
        for ref, obj in revision.objects.items()
        if ref not in target.objects and not kept(obj)
    }
    return sorted(str(ref) for ref in left & set(live) if not dig(live[ref], "metadata", "deletionTimestamp"))
