"""The steps of `partition`: StatefulSets are held, rolled back natively, and let go pod by pod."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from helm_safe.core.objects import labels_of, mapping, selects
from helm_safe.core.workloads import pod_template
from helm_safe.core.written import COMMIT
from helm_safe.model.partition import Held, holdable, partitions, restored
from helm_safe.model.plan import Stage, Step
from helm_safe.model.ratio import share_words
from helm_safe.rollback.pauses import pause

if TYPE_CHECKING:
    from helm_safe.core.objects import ObjectRef
    from helm_safe.rollback.scene import Scene


def held(scene: Scene) -> tuple[Held, ...]:
    return holdable(scene.snapshot.change, scene.snapshot.live).held


def free(scene: Scene) -> tuple[tuple[ObjectRef, str], ...]:
    """Changed StatefulSets that cannot be held, each with the reason."""
    return holdable(scene.snapshot.change, scene.snapshot.live).free


def before(scene: Scene) -> Iterator[Step]:
    yield from pause(scene.settings, (COMMIT,), "the native rollback (it replaces no pod yet)", Stage.COMMIT)
    title = f"hold {_names(scene)} by rollingUpdate.partition, so that the rollback replaces no pod yet"
    yield Step("pin", Stage.COMMIT, "pin", title, _top(scene))


def after(scene: Scene) -> Iterator[Step]:
    yield Step("pin again", Stage.COMMIT, "pin again", "see that helm left the partitions alone", _top(scene))


def let_go(scene: Scene) -> Iterator[Step]:
    """One gate for each lowering; the pods with the highest numbers come first."""
    found = partitions(scene.settings.steps, held(scene))
    for (asked, at), following in zip_longest(found, found[1:]):
        share = round(restored(at, held(scene)), 2)
        words = share_words(share)
        title = f"{words} % of the pods to revision {scene.snapshot.change.target.number}: {_at(at)}"
        args = {
            "partitions": at,
            "share": share,
            "trial": "canary",
            "bake": scene.settings.bake,
            "workloads": list(at),
            "services": _services(scene),
        }
        name = f"lower {words}"
        yield Step(name, Stage.WATCH, "lower", title, args)
        then = (
            f"{share_words(restored(following[1], held(scene)))} % of the pods are"
            if following
            else "all pods count as"
        )
        yield from pause(scene.settings, asked, f"{then} replaced ({words} % are now)", Stage.WATCH, name)


def end(scene: Scene) -> Iterator[Step]:
    yield Step("unpin", Stage.CLEANUP, "unpin", "put rollingUpdate.partition back as it was", _top(scene))


def undo(scene: Scene) -> tuple[Step, ...]:
    title = "put rollingUpdate.partition back as it was"
    return (Step("undo pin", Stage.CLEANUP, "unpin", title, _top(scene)),)


def stay(scene: Scene) -> tuple[Step, ...]:
    """After COMMIT nobody moves back: what is held stays held."""
    title = "leave the partitions where they are, and nothing of ours on them"
    return (Step("keep", Stage.WATCH, "stay", title, _top(scene)),)


def told(scene: Scene) -> Iterator[str]:
    for each in held(scene):
        goal = f"revision {scene.snapshot.change.target.number}"
        yield f"{each.workload} is held: its {each.pods} pods go to {goal} one gate at a time, the last one first"
    for ref, why in free(scene):
        yield f"{ref} is not held: {why}"
    yield "users are not moved: each pod keeps its name and its volume, and is away while it is replaced"


def _top(scene: Scene) -> dict[str, Any]:
    return {"partitions": {str(each.workload): each.top for each in held(scene)}}


def _names(scene: Scene) -> str:
    return ", ".join(str(each.workload) for each in held(scene))


def _at(at: dict[str, int]) -> str:
    return ", ".join(f"{name} at partition {partition}" for name, partition in at.items())


def _services(scene: Scene) -> list[str]:
    """Live Services by which users come to the pods."""
    labels = [
        labels_of(pod_template(scene.snapshot.change.target.objects[each.workload]) or {}) for each in held(scene)
    ]
    found = {
        ref.name
        for ref, obj in scene.snapshot.live.items()
        if (ref.group, ref.kind) == ("", "Service")
        and any(selects(mapping(obj, "spec", "selector"), each) for each in labels)
    }
    return sorted(found)
