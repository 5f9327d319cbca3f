"""What can go wrong with the disposable cluster, as errors that people can act on."""

from __future__ import annotations

from helm_safe.model.errors import NotFound, RunFailed, UsageError


class SandboxError(RunFailed):
    """The sandbox could not be built or started; nothing of it is left behind."""


class NotUp(NotFound):
    """No sandbox of that name is up."""


class OtherVersion(UsageError):
    """The sandbox is up, and another version of helm-safe started it: this one can only take it down."""


class Unsupported(UsageError):
    """What was asked for cannot run on this machine."""
