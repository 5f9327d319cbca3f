"""DB-NOHOOK-001: a rollback hook of the target is meant to undo what only the newer revision knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.doubles import command_of
from helm_safe.checks.facts import rollback_hooks
from helm_safe.core.findings import Finding
from helm_safe.core.workloads import all_containers, pod_template
from helm_safe.model.snapshot import Snapshot

_UNDO = re.compile(r"\b(?:downgrade|rollback|undo|revert|down(?:-to)?|migrate:rollback|db:rollback)\b", re.IGNORECASE)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for hook in rollback_hooks(snapshot):
        for obj in hook.objects:
            for container in all_containers(pod_template(obj)):
                found = _UNDO.search(command_of(container))
                if found:
                    yield _finding(snapshot, f"{hook.kind}/{hook.name}", found[0], str(container.get("image")))


def _finding(snapshot: Snapshot, hook: str, verb: str, image: str) -> Finding:
    number, current = snapshot.change.target.number, snapshot.change.current.number
    return Finding(
        CHECK.id,
        WARNING,
        f"{hook} of revision {number} seems to undo a migration ({verb}), but it runs with the image of revision"
        f" {number}, which lacks the newer migrations.",
        object=hook,
        evidence=(f"image {image}", "Helm runs the hooks of the target, never those of the newer revision"),
        remediation=f"Undo with the image of revision {current} first, or leave hooks out: --no-hooks",
    )


CHECK = Check(
    "DB-NOHOOK-001",
    "Hook that cannot undo",
    WARNING,
    "A pre-rollback or post-rollback hook of the target runs a migration tool backwards. Helm runs the target's hooks"
    " with the target's image, and that image does not have the files of what came later.",
    "Run the down-migration with the newer image by hand, before the rollback.",
    _run,
)
