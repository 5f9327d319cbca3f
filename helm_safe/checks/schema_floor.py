"""DB-FLOOR-001: a newer revision says how far back its database lets anybody go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.facts import between
from helm_safe.checks.schemas import FLOOR, OLDEST, VERSION, declared
from helm_safe.core.findings import Finding
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target, order = snapshot.change.target, _order(snapshot)
    for revision in between(snapshot):
        if revision.content == target.content:
            continue
        oldest, floor = declared(revision, OLDEST), declared(revision, FLOOR)
        version = declared(target, VERSION) or _photographed(snapshot)
        if oldest and version and _older(version, oldest, order) is not False:
            certain = _older(version, oldest, order) is True
            words = f"needs a schema of {oldest} or newer, and revision {target.number} is made for {version}"
            yield _finding(revision, words, f"{OLDEST}: {oldest}", certain=certain)
        elif oldest and not version:
            words = (
                f"needs code made for the schema {oldest} or newer, and nobody says what revision"
                f" {target.number} is for"
            )
            yield _finding(revision, words, f"{OLDEST}: {oldest}", certain=False)
        if floor and _below(target, floor):
            yield _finding(revision, f"declares {floor} as the oldest to go back to", f"{FLOOR}: {floor}", certain=True)


def _finding(revision: Revision, words: str, said: str, *, certain: bool) -> Finding:
    if not certain:
        return CHECK.unverified(
            f"Revision {revision.number} {words}: whether that is older cannot be told.",
            f"L1: annotation helm-safe.dev/{said}",
            object=f"revision {revision.number}",
            remediation=f"Declare helm-safe.dev/{VERSION} in the charts.",
        )
    return Finding(
        CHECK.id,
        ERROR,
        f"Revision {revision.number} {words}.",
        object=f"revision {revision.number}",
        evidence=(f"L1: annotation helm-safe.dev/{said}",),
        remediation="Roll forward, or go back no further than what it allows.",
    )


def _photographed(snapshot: Snapshot) -> str:
    """The head of the migration history when the target ran."""
    then = snapshot.state.database_then
    return then.ledgers[0].head if then and len(then.ledgers) == 1 else ""


def _order(snapshot: Snapshot) -> list[str]:
    """Versions in the order of a migration history, where one was read."""
    now = snapshot.state.database
    return [row.version for ledger in (now.ledgers if now else ()) for row in ledger.rows]


def _older(version: str, oldest: str, order: Sequence[str]) -> bool | None:
    """Whole numbers, then versions with dots, then the order of the history; None where none of these tells."""
    if version == oldest:
        return False
    if version in order and oldest in order:
        return order.index(version) < order.index(oldest)
    pairs = (_numbers(version), _numbers(oldest))
    return pairs[0] < pairs[1] if pairs[0] and pairs[1] else None


def _numbers(text: str) -> tuple[int, ...]:
    bare = text.strip().lstrip("vVrR")
    return tuple(int(part) for part in re.split(r"[._-]", bare)) if re.fullmatch(r"\d+([._-]\d+)*", bare) else ()


def _below(target: Revision, floor: str) -> bool:
    """`r12` is a revision of Helm; anything else a version of the chart or of the application."""
    if re.fullmatch(r"[rR]\d+", floor.strip()):
        return target.number < int(floor.strip()[1:])
    known = [_numbers(each) for each in (target.app_version, target.chart_version) if _numbers(each)]
    return bool(known) and bool(_numbers(floor)) and all(each < _numbers(floor) for each in known)


CHECK = Check(
    "DB-FLOOR-001",
    "Below the declared floor",
    ERROR,
    "The newer revision knows what it broke, the older one cannot know the future: annotations of the newer revisions"
    " (oldest-compatible-schema, rollback-floor) say how far back their database lets code go.",
    "Go back no further than the floor, or roll forward.",
    _run,
)
