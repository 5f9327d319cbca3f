"""STBY-002: what is copied for the standby, so that its pods find what the target's find after the rollback."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import INFO, Check
from helm_safe.checks.doubles import doubled, staged, standbys
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ref_of
from helm_safe.model.own import CannotStandBy
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.standby_guards import GUARDS

_SHOWN = 20
_OWN = ("Deployment", "Service")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not staged(snapshot):
        return
    try:
        made = [ref_of(obj) for obj in standbys(snapshot).objects()]
    except CannotStandBy:
        return
    copies = [str(ref) for ref in made if ref.kind not in _OWN]
    if copies:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"For the standby {len(copies)} object{'s are' if len(copies) > 1 else ' is'} copied, and deleted in the"
            f" end: {', '.join(copies[:_SHOWN])}.",
            object=copies[0],
            evidence=tuple(f"copy: {each}" for each in copies[:_SHOWN]),
            remediation="Nothing to do.",
        )


CHECK = Check(
    "STBY-002",
    "Objects copied for the standby",
    INFO,
    "Configuration and accounts of the target that the cluster lacks, and policies and monitors that select pods by a"
    " label which changes, are copied under names of their own for the time of the run.",
    "Nothing to do.",
    _run,
    needs=tuple(GUARDS),
    when=doubled,
)
