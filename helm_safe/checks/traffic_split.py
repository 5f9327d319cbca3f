"""TRAFFIC-001: a route sends about half of the users to each of two backends."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, ROUTES, WARNING, Check
from helm_safe.checks.migrations import signs
from helm_safe.core.findings import Finding
from helm_safe.core.splits import LEAST, MOST, words
from helm_safe.model.snapshot import Sharing, Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for each in snapshot.sharing:
        if len(each.shares) > 1 and any(LEAST <= share <= MOST for share in each.shares.values()):
            yield _finding(snapshot, each)


def _finding(snapshot: Snapshot, sharing: Sharing) -> Finding:
    migrated = signs(snapshot)
    tail = "and a migration may stand between the two versions" if migrated else "so that many users meet unproven pods"
    return Finding(
        CHECK.id,
        ERROR if migrated else WARNING,
        f"{sharing.ref} splits the traffic ({words(sharing.shares)}) {tail}.",
        object=str(sharing.ref),
        evidence=(f"stated by {sharing.source}", *(sign.words for sign in migrated[:3])),
        remediation=f"Move all traffic to the good backend first: helm safe-rollback isolate"
        f" {snapshot.history.release.name} -n {snapshot.history.release.namespace}",
    )


CHECK = Check(
    "TRAFFIC-001",
    "Traffic is split in halves",
    WARNING,
    "A rule of a route shares the requests for the release's Services between backends, each with 30 to 70 %."
    " During a rollback a large share of the users meets pods that have not proved themselves. An error when a"
    " migration may stand between the two versions.",
    "Send all traffic to one backend before the rollback, and shift it in steps afterwards.",
    _run,
    needs=ROUTES,
)
