"""TEMPORAL-001: older workers would replay the histories of newer workflows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import CONFIG_MAP, WARNING, Check
from helm_safe.checks.settings import both, recoded
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot

_QUEUE = re.compile(r"(?:\w+_)?(?:TEMPORAL|CADENCE)_(?:WORKER_)?TASK_?(?:QUEUE|LIST)(?:_NAME)?")
# A worker that states its build takes only the workflows that belong to it.
_BUILD = re.compile(r"(?:\w+_)?TEMPORAL_(?:WORKER_)?(?:BUILD_ID|DEPLOYMENT_NAME|DEPLOYMENT_VERSION|VERSIONING\w*)")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in recoded(snapshot):
        before, after = both(snapshot, workload)
        queue = next((name for name in after if _QUEUE.fullmatch(name)), "")
        if not queue or any(_BUILD.fullmatch(name) for name in after) or before.get(queue) != after[queue]:
            continue
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"Older workers of {workload.ref} take the workflows that revision {snapshot.change.current.number} has"
            " begun: where the workflow code changed, they fail with a nondeterminism error.",
            object=str(workload.ref),
            evidence=(f"variable {queue} is the same in both revisions", "no variable gives the worker a build id"),
            remediation="Replay open histories against the old workers first, or let newer workflows end on newer"
            " workers (worker versioning).",
        )


CHECK = Check(
    "TEMPORAL-001",
    "Workflows of newer code",
    WARNING,
    "Workers of Temporal or Cadence go back to an older image on the same task queue, without worker versioning."
    " They replay the histories of open workflows, and changed workflow code cannot.",
    "Replay open histories against the old workers first, or use worker versioning.",
    _run,
    needs=(CONFIG_MAP,),
)
