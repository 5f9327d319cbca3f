"""A GitOps controller that owns the release waits while a run writes: suspended on request, and put back exactly.

After a rollback it stays suspended unless `--gitops resume` was asked for: resumed before its source is reverted, it
brings the bad revision back.
"""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import ObjectRef
from helm_safe.model.events import Level
from helm_safe.model.holds import captured
from helm_safe.model.neighbours import GitOwner, suspended
from helm_safe.model.plan import Stage, Step
from helm_safe.model.records import Kind
from helm_safe.model.snapshot import Resource, Snapshot
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.holding import Held, hold_one, release_one


def owners(snapshot: Snapshot) -> list[GitOwner]:
    """Those that this run is to suspend."""
    if snapshot.settings.resolved.value("gitops.sync") == "refuse":
        return []
    live = snapshot.live
    return [each for each in snapshot.git_owners if each.ref in live and not suspended(live[each.ref])]


def before(snapshot: Snapshot) -> Iterator[Step]:
    """Before the first write to an object of the release."""
    found = owners(snapshot)
    if found:
        yield Step("suspend", Stage.STANDBY, "suspend", f"suspend {_names(found)}, which would undo every write", {})


def after(snapshot: Snapshot) -> Iterator[Step]:
    found = owners(snapshot)
    if found and snapshot.settings.resolved.value("gitops.sync") == "resume":
        yield Step("resume sync", Stage.CLEANUP, "resume sync", f"resume {_names(found)}")
    elif found:
        commands = "; ".join(each.resume for each in found)
        title = f"leave {_names(found)} suspended until the source is reverted"
        yield Step("stays suspended", Stage.CLEANUP, "stays suspended", title, {"commands": commands})


def undo(snapshot: Snapshot) -> tuple[Step, ...]:
    found = owners(snapshot)
    return (Step("undo suspend", Stage.CLEANUP, "resume sync", f"resume {_names(found)}"),) if found else ()


def suspend(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Suspend each and see that it stays so: what owns the owner may write it back."""
    for ref, resource in _planned(run):
        live = run.world.cluster.get(resource, ref.namespace, ref.name)
        if live is None:
            return failed(f"{ref} in namespace {ref.namespace} is gone: nobody knows who owns the release now")
        if not run.captured(_record(ref)):
            run.record(Kind.CAPTURED, step.stage, _record(ref), {"fields": captured(live)})
        hold_one(run, Held(ref, resource))
        if not suspended(run.world.cluster.get(resource, ref.namespace, ref.name) or {}):
            return failed(f"{ref} does not stay suspended: something else writes it, and would undo the rollback")
    return passed(f"suspended: {', '.join(str(ref) for ref, _ in _planned(run))}")


def resume_sync(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    for ref, resource in _planned(run):
        before = run.captured(_record(ref))
        if before:
            release_one(run, step.stage, Held(ref, resource), before)
    return passed("GitOps controllers are as before")


def stays_suspended(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - tells only
    words = f"revert the source to revision {run.plan.target}, then: {step.args['commands']}"
    run.tell(step.stage, f"still suspended: {', '.join(str(ref) for ref, _ in _planned(run))}; {words}", Level.WARNING)
    return passed("GitOps controllers stay suspended")


def _record(ref: ObjectRef) -> str:
    return f"suspend {ref.namespace}/{ref}"


def _planned(run: Run) -> Iterator[tuple[ObjectRef, Resource]]:
    served = run.world.cluster.served()
    for identity in run.plan.settings.get("gitops", ()):
        ref = ObjectRef(*identity)
        resource = served.preferred(ref.group, ref.kind)
        if resource is not None:
            yield ref, resource


def _names(found: list[GitOwner]) -> str:
    return ", ".join(str(each.ref) for each in found)
