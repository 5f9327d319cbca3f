"""`rollingUpdate.partition` of StatefulSets: held before the native rollback, let go gate by gate after it."""

from __future__ import annotations

from collections.abc import Callable

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.errors import Conflict
from helm_safe.model.events import Level
from helm_safe.model.partition import PARTITION, captured, patch, put_back
from helm_safe.model.plan import Step
from helm_safe.model.records import Kind
from helm_safe.model.resources import STATEFUL_SETS
from helm_safe.rollback.commit import Outcome, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.hygiene import TRIES, forget_us
from helm_safe.rollback.podgate import judged
from helm_safe.rollback.traffic import Stuck


def pin(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Hold every StatefulSet above all of its pods: what helm writes then replaces none of them."""
    for name, partition in step.args["partitions"].items():
        live = _read(run, name)
        if not run.captured(f"partition {name}"):
            run.record(Kind.CAPTURED, step.stage, f"partition {name}", captured(live))
        _write(run, name, _to(partition))
    return passed(f"held: {_words(step)}")


def pin_again(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Right after the native rollback: held as before, whatever was written in between, and that is said."""
    for name, partition in step.args["partitions"].items():
        found = dig(_read(run, name), *PARTITION)
        if found != partition:
            words = f"{name} was at partition {found}: pods from that number on are being replaced without a gate"
            run.tell(step.stage, words, Level.WARNING)
        _write(run, name, _to(partition))
    return passed(f"still held: {_words(step)}")


def lower(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """One gate: lower the partitions, and let the pods that are replaced by it prove themselves."""
    for name, partition in step.args["partitions"].items():
        _write(run, name, _down_to(partition))
    return judged(run, step)


def unpin(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """The field as it was before the run, absent where it was absent."""
    for name in step.args["partitions"]:
        before = run.captured(f"partition {name}")
        if before:
            _write(run, name, lambda live, before=before: put_back(before, live))  # type: ignore[misc]
    return passed(f"partitions are as before: {', '.join(step.args['partitions'])}")


def stay(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """The partitions stay as they are; a process that was killed right after a write may have left our name on one."""
    for name in step.args["partitions"]:
        forget_us(run, STATEFUL_SETS, _ref(run, name))
    return passed(held_words(run))


def held_words(run: Run) -> str:
    """Where the StatefulSets stand, for whoever has to go on."""
    steps = [step for step in run.plan.steps if step.action in ("pin", "lower")]
    seen = run.progress.begun | set(run.progress.done)
    newest = next((step for step in reversed(steps) if step.id in seen), None)
    return f"held where they are ({_words(newest)})" if newest else ""


def _to(partition: int) -> Callable[[Object], Object | None]:
    return lambda live: None if dig(live, *PARTITION) == partition else patch(partition)


def _down_to(partition: int) -> Callable[[Object], Object | None]:
    """Never up again: whoever goes on with a run finds it where it was."""
    return lambda live: patch(partition) if int(dig(live, *PARTITION) or 0) > partition else None


def _write(run: Run, name: str, change: Callable[[Object], Object | None]) -> None:
    """Bound to what was read, with no field manager of ours left: helm would meet it as a conflict."""
    ref = _ref(run, name)
    for _ in range(TRIES):
        live = _read(run, name)
        wanted = change(live)
        if wanted is None:
            break
        body = {**wanted, "metadata": {"resourceVersion": dig(live, "metadata", "resourceVersion")}}
        try:
            run.world.cluster.patch(STATEFUL_SETS, ref, body, manager=MANAGED_BY)
        except Conflict:
            continue  # its controller writes status beside us
        break
    else:
        raise Stuck(f"{name} kept changing while its partition was written ({TRIES} tries)")
    forget_us(run, STATEFUL_SETS, ref)


def _ref(run: Run, name: str) -> ObjectRef:
    return ObjectRef("apps", "StatefulSet", run.release.namespace, name.partition("/")[2])


def _read(run: Run, name: str) -> Object:
    live = run.world.cluster.get(STATEFUL_SETS, run.release.namespace, name.partition("/")[2])
    if live is None:
        raise Stuck(f"{name} is gone: somebody deleted it during the run")
    return live


def _words(step: Step) -> str:
    return ", ".join(f"{name} at partition {partition}" for name, partition in step.args["partitions"].items())
