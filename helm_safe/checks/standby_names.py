"""STBY-006: a name that the standby needs is taken."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ACCOUNT, CONFIG_MAP, DEPLOYMENT, ERROR, SECRET, SERVICE, Check
from helm_safe.checks.doubles import doubled, staged, standbys
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ref_of
from helm_safe.model.own import CannotStandBy, ours
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not staged(snapshot):
        return
    try:
        planned = [ref_of(obj) for obj in standbys(snapshot).objects()]
    except CannotStandBy:
        return
    for ref in planned:
        there = snapshot.live_for(ref)
        if ref in snapshot.change.target.objects or (there is not None and not ours(there)):
            yield Finding(
                CHECK.id,
                CHECK.severity,
                f"{ref} is there already and is not ours: the standby needs that name.",
                object=str(ref),
                remediation=f"Rename or delete {ref} in namespace {ref.namespace}, or use --strategy native.",
            )


CHECK = Check(
    "STBY-006",
    "Name of the standby taken",
    ERROR,
    "An object that this program did not make has a name that the standby needs. It is never overwritten.",
    "Rename the object, or use --strategy native.",
    _run,
    needs=(SERVICE, DEPLOYMENT, CONFIG_MAP, SECRET, ACCOUNT),
    waivable=False,
    when=doubled,
)
