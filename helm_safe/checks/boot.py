"""How long live pods took to start, from their status alone."""

from __future__ import annotations

from helm_safe.core.objects import Object, dig, sequence
from helm_safe.model.times import parse_time

# A pod that turned unready and ready again much later tells nothing of its start.
_LONGEST_START = 1800.0


def starts(pods: list[Object], container: str) -> list[float]:
    """Seconds that the container of each live pod took from its start to Ready, where the pod's status tells."""
    measured = (_start(pod, container) for pod in pods)
    return [seconds for seconds in measured if seconds is not None and 0 <= seconds <= _LONGEST_START]


def _start(pod: Object, container: str) -> float | None:
    ready = next((c for c in sequence(pod, "status", "conditions") if dig(c, "type") == "Ready"), None)
    if dig(ready, "status") != "True":
        return None
    status = next((s for s in sequence(pod, "status", "containerStatuses") if dig(s, "name") == container), None)
    stamps = (dig(status, "state", "running", "startedAt"), dig(ready, "lastTransitionTime"))
    began, ended = (parse_time(str(each or "")) for each in stamps)
    return (ended - began).total_seconds() if began and ended else None
