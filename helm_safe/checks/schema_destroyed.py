"""DB-CONTRACT-001: what the target reads is no longer in the database."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import between
from helm_safe.checks.schemas import FORWARD_ONLY, KIND, ONE_WAY, compared, declared, findings_of
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import Revision
from helm_safe.model.schema import Effect
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    number = snapshot.change.target.number
    risk = f"Code of revision {number} that reads it fails, and no rollback brings the data back."
    yield from findings_of(snapshot, Effect.DESTRUCTIVE, Finding(CHECK.id, ERROR, ""), risk)
    if compared(snapshot) is None:
        yield from _declared(snapshot)


def _declared(snapshot: Snapshot) -> Iterator[Finding]:
    target = snapshot.change.target
    for revision in between(snapshot):
        kind = declared(revision, KIND)
        if revision.content == target.content or (kind not in ONE_WAY and not _forward_only(revision)):
            continue
        said = f"{KIND}: {kind}" if kind in ONE_WAY else f"{FORWARD_ONLY}: true"
        yield Finding(
            CHECK.id,
            ERROR,
            f"Revision {revision.number} declares a change that cannot be taken back ({said}): revision"
            f" {target.number} is not made for the database as it is since then.",
            object=f"revision {revision.number}",
            evidence=(f"L1: annotation helm-safe.dev/{said}",),
            remediation="Roll forward.",
        )


def _forward_only(revision: Revision) -> bool:
    return declared(revision, FORWARD_ONLY).lower() == "true"


CHECK = Check(
    "DB-CONTRACT-001",
    "Part of the schema is gone",
    ERROR,
    "A table, a column or its data that was there when the target ran was dropped or rewritten since, by the"
    " schema then"
    " and now, the rows of a migration tool, SQL in the release, or the newer revision's own declaration.",
    "Roll forward; what was dropped comes back from a backup only.",
    _run,
)
