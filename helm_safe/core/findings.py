"""Finding: what a check saw; the same type for pre-checks and for the results of the KRM function."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class Severity(str, Enum):
    """The three words that the KRM specification fixes; an error blocks."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Status(str, Enum):
    """`unverified` means the evidence could not be had: never shown as ok."""

    FAIL = "fail"
    UNVERIFIED = "unverified"
    WAIVED = "waived"


class Finding(NamedTuple):
    """One thing that one check found.

    check: permanent id such as "CFG-004". object: "Secret/api-keys", empty for the whole release.
    field: dotted path inside the object. evidence: facts, most telling first, already redacted.
    remediation: what to do, a sentence or a command.
    """

    check: str
    severity: Severity
    message: str
    object: str = ""
    field: str = ""
    evidence: tuple[str, ...] = ()
    remediation: str = ""
    status: Status = Status.FAIL
    waiver: str = ""

    @property
    def blocks(self) -> bool:
        return self.severity is Severity.ERROR and self.status is Status.FAIL

    def to_json(self) -> dict[str, Any]:
        """The published shape (schema finding), empty members left out but for check, status, severity, message."""
        body = {
            "check": self.check,
            "status": self.status.value,
            "severity": self.severity.value,
            "message": self.message,
            "object": self.object,
            "field": self.field,
            "evidence": list(self.evidence),
            "remediation": self.remediation,
            "waiver": self.waiver,
        }
        always = ("check", "status", "severity", "message")
        return {key: value for key, value in body.items() if value or key in always}


def sort_key(finding: Finding) -> tuple[int, int, str, str]:
    """Order for people: what blocks first, then by severity, id and object."""
    severities = list(Severity)
    return (not finding.blocks, severities.index(finding.severity), finding.check, finding.object)
