"""Autoscalers are held while users are elsewhere: an idle workload would be shrunk, and meet them again too small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.errors import Conflict
from helm_safe.model.events import Level
from helm_safe.model.holds import captured, foreign, hold, restore
from helm_safe.model.plan import Stage, Step
from helm_safe.model.records import Kind
from helm_safe.model.snapshot import Resource
from helm_safe.rollback.commit import Outcome, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.hygiene import TRIES, forget_us
from helm_safe.rollback.inspect import revision_of


class Held(NamedTuple):
    """What is held, and the count below which its workload must not go."""

    ref: ObjectRef
    resource: Resource
    floor: int = 0


def hold_scalers(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Keep each workload at its captured count or above, whatever its autoscaler thinks of idle pods."""
    for ref, resource, floor in _held(run):
        live = run.world.cluster.get(resource, ref.namespace, ref.name)
        if live is not None and not run.captured(f"hold {ref}"):
            run.record(Kind.CAPTURED, step.stage, f"hold {ref}", {"fields": captured(live)})
        hold_one(run, Held(ref, resource, floor))
    return passed(f"held: {', '.join(str(ref) for ref, _, _ in _held(run))}")


def hold_again(run: Run) -> None:
    """After the native rollback: an autoscaler of the chart is the target's now, and that is what must come back."""
    target = revision_of(run.world.releases.history(run.release), run.plan.target).objects
    for ref, resource, floor in _held(run):
        if ref in target and not run.captured(f"hold {ref} after"):
            run.record(Kind.CAPTURED, Stage.COMMIT, f"hold {ref} after", {"fields": captured(target[ref])})
        hold_one(run, Held(ref, resource, floor))


def forget_scalers(run: Run) -> None:
    """Drop our field manager from what is held."""
    for ref, resource, _ in _held(run):
        forget_us(run, resource, ref)


def release_scalers(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Put each autoscaler back exactly; what somebody else changed meanwhile stays his."""
    for ref, resource, floor in _held(run):
        before = run.captured(f"hold {ref} after") or run.captured(f"hold {ref}")
        release_one(run, step.stage, Held(ref, resource, floor), before)
    return passed("autoscalers are as before")


def release_one(run: Run, stage: Stage, held: Held, before: Mapping[str, Any]) -> None:
    """Put one back as it was captured, nothing where it was not."""
    ref, resource, floor = held
    for _ in range(TRIES if before else 0):
        live = run.world.cluster.get(resource, ref.namespace, ref.name)
        patch = restore(before["fields"], live, floor) if live is not None else None
        if live is None or patch is None:
            break
        words = foreign(before["fields"], live, floor)
        if words:
            run.tell(stage, words, Level.WARNING)
        if _patched(run, ref, resource, live, patch):
            break
    forget_us(run, resource, ref)


def _held(run: Run) -> Iterator[Held]:
    served = run.world.cluster.served()
    for group, kind, name, floor in run.plan.settings.get("holds", ()):
        resource = served.preferred(group, kind)
        if resource is not None:
            yield Held(ObjectRef(group, kind, run.release.namespace, name), resource, int(floor))


def hold_one(run: Run, held: Held) -> None:
    ref, resource, floor = held
    for _ in range(TRIES):
        live = run.world.cluster.get(resource, ref.namespace, ref.name)
        patch = hold(live, floor) if live is not None else None
        if live is None or patch is None or _patched(run, ref, resource, live, patch):
            break
    forget_us(run, resource, ref)


def _patched(run: Run, ref: ObjectRef, resource: Resource, live: Object, patch: Object) -> bool:
    """Write bound to what was read; False where somebody else was faster."""
    metadata = {**patch.get("metadata", {}), "resourceVersion": dig(live, "metadata", "resourceVersion")}
    try:
        run.world.cluster.patch(resource, ref, {**patch, "metadata": metadata}, manager=MANAGED_BY)
    except Conflict:
        return False
    return True
