"""HOOK-001: the hooks that the rollback will run, and what they lack."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ACCOUNT, CLAIM, CONFIG_MAP, ERROR, INFO, POD, SECRET, Check
from helm_safe.checks.facts import removed_objects, rollback_hooks
from helm_safe.checks.image_missing import pull_failures
from helm_safe.checks.missing import missing_references
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, gvk_of, name_of, namespace_of
from helm_safe.core.workloads import images, pod_template
from helm_safe.model.revisions import Hook
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    hooks = rollback_hooks(snapshot)
    for hook in hooks:
        yield _shown(snapshot, hook)
        for obj in hook.objects:
            yield from _lacks(snapshot, hook, obj, _made(snapshot, hook, hooks))


def _shown(snapshot: Snapshot, hook: Hook) -> Finding:
    used = [image for obj in hook.objects for image in images(pod_template(obj))]
    when = " and ".join(event for event in hook.events if event.endswith("-rollback"))
    return Finding(
        CHECK.id,
        INFO,
        f"The rollback runs {hook.kind}/{hook.name} of revision {snapshot.change.target.number} as {when} hook.",
        object=f"{hook.kind}/{hook.name}",
        evidence=(f"weight {hook.weight}", *(f"image {image}" for image in dict.fromkeys(used))),
        remediation="To leave all hooks out: --no-hooks",
    )


def _made(snapshot: Snapshot, hook: Hook, hooks: list[Hook]) -> dict[ObjectRef, Object]:
    """What exists when the hook runs beside live objects: other hooks, and after the update the target's objects."""
    made = {_ref(snapshot, obj): obj for each in hooks for obj in each.objects}
    return made if "pre-rollback" in hook.events else {**snapshot.change.target.objects, **made}


def _ref(snapshot: Snapshot, obj: Object) -> ObjectRef:
    gvk = gvk_of(obj)
    return ObjectRef(gvk.group, gvk.kind, namespace_of(obj) or snapshot.history.release.namespace, name_of(obj))


def _lacks(snapshot: Snapshot, hook: Hook, obj: Object, made: dict[ObjectRef, Object]) -> Iterator[Finding]:
    ref, template = _ref(snapshot, obj), pod_template(obj)
    lost = {} if "pre-rollback" in hook.events else removed_objects(snapshot)
    for each in missing_references(snapshot, template, ref.namespace, made, lost):
        yield _broken(ref, f"needs {each.name}, which {each.gone} when it runs", each.used.where)
    failures = pull_failures(snapshot)
    for image in images(template):
        if image in failures:
            yield _broken(ref, f"needs the image {image}, which cannot be pulled", failures[image])


def _broken(ref: ObjectRef, what: str, evidence: str) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"The rollback hook {ref} {what}: the release would be left pending.",
        object=str(ref),
        evidence=(evidence,),
        remediation="Create what is missing, or leave the hooks out with --no-hooks.",
    )


CHECK = Check(
    "HOOK-001",
    "Rollback hooks",
    ERROR,
    "A rollback runs the target's pre-rollback hooks before anything changes and its post-rollback hooks afterwards:"
    " old code on today's data. A hook that cannot start leaves the release pending.",
    "Read what the hooks do; create what they need, or use --no-hooks.",
    _run,
    needs=(CONFIG_MAP, SECRET, ACCOUNT, CLAIM, POD),
)
