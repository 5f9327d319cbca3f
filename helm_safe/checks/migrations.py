"""Signs that the revisions being undone changed a database schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.facts import between, workloads
from helm_safe.core.objects import Object, sequence
from helm_safe.core.workloads import all_containers, container_name, images, pod_template
from helm_safe.model.revisions import Hook, Revision, run_of
from helm_safe.model.snapshot import Snapshot

_UPGRADE = {"pre-upgrade", "post-upgrade"}
_RUNS_PODS = ("Job", "Pod")
_MIGRATOR = re.compile(
    r"migrat|flyway|liquibase|alembic|prisma|goose|atlas\b|schemahero|sqitch|db[-:_ ]?(?:upgrade|deploy|push|prepare)",
    re.IGNORECASE,
)


class Sign(NamedTuple):
    """One sign: the object, and what it tells in words."""

    object: str
    words: str


def signs(snapshot: Snapshot) -> list[Sign]:
    """Hooks and Jobs of the revisions being undone that the target does not have as they are."""
    found: dict[str, Sign] = {}
    for revision in between(snapshot):
        for sign in (*_hooks(snapshot, revision), *_jobs(snapshot, revision)):
            found.setdefault(sign.object, sign)
    return list(found.values())


def _hooks(snapshot: Snapshot, revision: Revision) -> Iterator[Sign]:
    known = {(hook.kind, hook.name): hook for hook in snapshot.change.target.hooks}
    for hook in revision.hooks:
        same = known.get((hook.kind, hook.name))
        if hook.kind in _RUNS_PODS and _UPGRADE & set(hook.events) and (same is None or same.manifest != hook.manifest):
            yield Sign(f"{hook.kind}/{hook.name}", _words(revision, hook, new=same is None))


def _words(revision: Revision, hook: Hook, *, new: bool) -> str:
    used = ", ".join(image for obj in hook.objects for image in images(pod_template(obj)))
    change = "absent from the target" if new else "different in the target"
    events = "/".join(sorted(_UPGRADE & set(hook.events)))
    return f"{events} hook of revision {revision.number}, {change}; image {used or 'unknown'}; {run_of(revision, hook)}"


def _jobs(snapshot: Snapshot, revision: Revision) -> Iterator[Sign]:
    for workload in workloads(revision):
        if workload.ref in snapshot.change.target.objects or workload.kind.kind != "Job":
            continue
        if _MIGRATOR.search(f"{workload.ref.name} {_commands(workload.template)}"):
            yield Sign(str(workload.ref), f"Job of revision {revision.number} that looks like a migration")


def _commands(template: Object) -> str:
    words = [
        part
        for each in all_containers(template)
        for part in (
            container_name(each),
            each.get("image") or "",
            *sequence(each, "command"),
            *sequence(each, "args"),
        )
    ]
    return " ".join(str(word) for word in words)[:8192]
