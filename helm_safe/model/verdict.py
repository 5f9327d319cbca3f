"""What to do: the decision table as a pure function of the findings (reference: section 7, first match wins)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from helm_safe.core.findings import Finding, Status
from helm_safe.model.plan import Advice


class Row(NamedTuple):
    """One row of the table. checks: any of these that blocks makes it apply. why: the rule in words. way: what to do,
    in order. change: what would change the answer.
    """

    advice: Advice
    checks: tuple[str, ...]
    why: str
    way: tuple[str, ...]
    change: str


class Verdict(NamedTuple):
    """reasons: what was found, most telling first. way: numbered steps for people. unless: what would change it."""

    advice: Advice
    why: str
    reasons: tuple[str, ...] = ()
    way: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


_FORWARD = (
    "keep users where they are served best now: helm safe-rollback isolate {release}",
    "make the fix from revision {current} and deploy it: helm safe-rollback forward {release} CHART",
)
_RESTORE = (*_FORWARD, "bring back from a backup what was lost, if it is needed: no rollback does that")
_BRIDGE = (
    "isolate first: while the schema moves, no two versions may serve: helm safe-rollback isolate {release}",
    "review and run the printed Job: it undoes the migrations with the image of revision {current}",
    "plan again: helm safe-rollback plan {release} {target}",
    "roll back: helm safe-rollback {release} {target}",
)
TABLE: tuple[Row, ...] = (
    Row(
        Advice.HOLD,
        ("HIST-007",),
        "the cause is elsewhere: both revisions say the same",
        ("look for the cause outside the release: helm safe-rollback autopsy {release}",),
        "a revision with another content, or live objects that were changed by hand",
    ),
    Row(
        Advice.ROLL_FORWARD,
        ("API-REM-001", "STS-IMM-001", "PVC-SHR-001", "DISK-001", "CRD-001", "IMG-001"),
        "revision {target} cannot run here any more",
        _FORWARD,
        "an image, an API or a volume that fits revision {target} again",
    ),
    Row(
        Advice.ROLL_FORWARD,
        ("DB-CONTRACT-001", "DB-FLOOR-001", "DB-CR-001"),
        "the database has passed a point of no return since revision {target}",
        _RESTORE,
        "a restored backup, or a revision between {target} and {current} that fits the schema",
    ),
    Row(
        Advice.BRIDGE,
        ("DB-INCOMPAT-001", "DB-RESTRICT-001"),
        "revision {target} does not fit the schema, but the change can be undone first",
        _BRIDGE,
        "data written since then that the undone migration would drop",
    ),
    Row(
        Advice.BRIDGE,
        ("DB-BOOT-001",),
        "the schema fits, but the pods of revision {target} refuse to start on a newer migration history",
        _BRIDGE,
        "the migration tool switched off in revision {target}",
    ),
    Row(
        Advice.BLOCKED,
        (),
        "the findings must be mended or accepted first",
        ("mend what the findings name", "plan again: helm safe-rollback plan {release} {target}"),
        'each finding that is let through knowingly: --accept ID="reason"',
    ),
)


def judge(findings: Sequence[Finding], *, release: str, current: int, target: int, undo: str = "") -> Verdict:
    """The verdict on a rollback from `current` to `target`.

    undo: the command that undoes the migrations, "" where there is none: then there is no bridge, but only forward.
    """
    names = {"release": release, "current": current, "target": target}
    blocking = [finding for finding in findings if finding.blocks]
    for row in TABLE if blocking else ():
        found = [each for each in blocking if each.check in row.checks] if row.checks else blocking
        if not found:
            continue
        if row.advice is Advice.BRIDGE and not undo:
            row = _without_bridge(row)  # noqa: PLW2901 - the same row, for tools that know no way back
        return Verdict(
            row.advice,
            row.why.format(**names),
            tuple(dict.fromkeys(each.message for each in found)),
            tuple(step.format(**names) for step in row.way),
            (row.change.format(**names), *_unverified(findings)),
        )
    why = "nothing stands against it" if not _doubts(findings) else "nothing that is known stands against it"
    return Verdict(Advice.ROLL_BACK, why, unless=_unverified(findings))


def _without_bridge(row: Row) -> Row:
    return row._replace(
        advice=Advice.ROLL_FORWARD,
        why="revision {target} does not fit the database, and nobody knows a command that undoes the migrations",
        way=_FORWARD,
    )


def _doubts(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.status is Status.UNVERIFIED]


def _unverified(findings: Sequence[Finding]) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(each.check for each in _doubts(findings)))
    return (f"what could not be verified: {', '.join(ids)}",) if ids else ()
