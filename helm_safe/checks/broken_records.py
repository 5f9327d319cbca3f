"""HIST-004: records of the release that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    newest = snapshot.history.last.number
    for broken in snapshot.history.broken:
        hides_last = broken.number is not None and broken.number > newest
        number = "an unknown revision" if broken.number is None else f"revision {broken.number}"
        tail = ": Helm's next diff would start from the wrong revision." if hides_last else "; the others can."
        yield Finding(
            CHECK.id,
            ERROR if hides_last else WARNING,
            f"The record of {number} cannot be read{tail}",
            object=broken.record,
            evidence=(broken.problem,),
            remediation=CHECK.remedy,
        )


CHECK = Check(
    "HIST-004",
    "Broken release record",
    WARNING,
    "A storage object of the release cannot be decoded. An error when it is the newest, because Helm compares with the"
    " newest record.",
    "Look at the record, keep a copy, and remove it when it is beyond repair.",
    _run,
)
