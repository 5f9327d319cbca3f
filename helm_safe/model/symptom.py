"""One reading of a failure, and what readings share. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from helm_safe.core.objects import Object, dig, is_ready
from helm_safe.core.redact import redact
from helm_safe.model.collected import Belonging
from helm_safe.model.health import restarts_of

WORDS = 300
"""Characters kept of a message."""


class Symptom(NamedTuple):
    """One reading. cause: of model.causes. faint: below 1 it counts less, as an old line, or of a pod that serves.

    where: the pod or object and its container, in words. origin: workload and revision.
    """

    cause: str
    subject: str
    origin: Belonging
    where: str
    words: str
    at: datetime | None = None
    times: int = 1
    faint: float = 1.0

    @property
    def line(self) -> str:
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.where}: {self.words}{times}"


def failing(pod: Object) -> bool:
    """Whether a pod is not as it should be: not ready and not done, or restarted."""
    done = dig(pod, "status", "phase") == "Succeeded"
    return not done and (not is_ready(pod) or restarts_of(pod) > 0)


def said(text: object) -> str:
    """A message from the cluster: one line, no secrets, bounded."""
    shown = " ".join(redact(str(text or "")).split())
    return shown if len(shown) <= WORDS else f"{shown[:WORDS]}…"
