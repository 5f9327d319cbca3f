"""The exception tree; the exit codes are promises (docs/exit-codes.md).

HelmSafeError
├── UsageError        2  wrong arguments, configuration or environment; nothing was touched
│   └── NotFound      2  the release, revision or object named does not exist
├── Blocked           3  checks or advice stand against it; the release is untouched
├── RunFailed         1  stopped before COMMIT; traffic is at the safe weights
├── OutcomeUnknown    4  timed out or lost contact; `status` tells
├── PersonNeeded      5  failed after COMMIT, or an abort failed: a person must act
├── Interrupted     130  stopped by a signal at a safe point; `resume` goes on
├── LostLease         4  another process took the run over: this one makes no further write
└── ClusterError      4  the API server refused or did not answer (subclasses say why)
    ├── Unreachable   2  no connection, or no usable credentials: nothing was touched
    ├── Forbidden     2  a permission is missing; names verb and resource
    ├── Missing       4  404: the object is gone
    ├── Conflict      4  409: somebody else wrote first
    ├── Invalid       4  422 and other refusals of what was sent
    └── Stale         4  what is known is too old to judge by
"""

from __future__ import annotations

OK, FAILED, USAGE, BLOCKED, UNKNOWN, PERSON, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class HelmSafeError(Exception):
    """An expected failure: one paragraph for people, what to do next, and the exit code."""

    exit_code = FAILED

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class UsageError(HelmSafeError):
    exit_code = USAGE


class NotFound(UsageError):
    """The release, revision or object that was named does not exist."""


class Blocked(HelmSafeError):
    exit_code = BLOCKED


class RunFailed(HelmSafeError):
    exit_code = FAILED


class OutcomeUnknown(HelmSafeError):
    exit_code = UNKNOWN


class PersonNeeded(HelmSafeError):
    exit_code = PERSON


class Interrupted(HelmSafeError):
    exit_code = INTERRUPTED


class LostLease(HelmSafeError):
    """Another process took the run over, or the Lease could not be renewed: this process must not write."""

    exit_code = UNKNOWN


class ClusterError(HelmSafeError):
    """The API server refused or did not answer; `status` is the HTTP code, 0 without an answer."""

    exit_code = UNKNOWN

    def __init__(self, message: str, next_step: str = "", *, status: int = 0, reason: str = "") -> None:
        super().__init__(message, next_step)
        self.status = status
        self.reason = reason


class Unreachable(ClusterError):
    exit_code = USAGE


class Forbidden(ClusterError):
    exit_code = USAGE


class Missing(ClusterError):
    """404: the object does not exist."""


class Conflict(ClusterError):
    """409: the object changed since it was read, or exists already; `causes` are the server's details."""

    causes: tuple[tuple[str, str], ...] = ()


class Invalid(ClusterError):
    """422, or another refusal of the content that was sent."""


class Stale(ClusterError):
    """The API server has been silent for so long that what is known proves nothing any more."""
