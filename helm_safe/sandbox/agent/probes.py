"""What a probe is and what its results mean: the kubelet's state machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from helm_safe.core.objects import Object, mapping


class Kind(str, Enum):
    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"

    @property
    def word(self) -> str:
        """As the kubelet's events name it."""
        return self.value.capitalize()


class Outcome(Enum):
    """ERROR: the probe could not be carried out (an unknown port, say); it counts for nothing."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A probe with the defaults filled in; times in seconds. grace: overrides the pod's grace period, or None."""

    kind: Kind
    action: str
    body: Object
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3
    grace: float | None = None


def probe_specs(container: Mapping[str, Any]) -> dict[Kind, ProbeSpec]:
    """The probes of a container; one without an action that the kubelet knows is left out."""
    found: dict[Kind, ProbeSpec] = {}
    for kind in Kind:
        probe = mapping(container, f"{kind.value}Probe")
        action = next((each for each in ("exec", "httpGet", "tcpSocket", "grpc") if each in probe), None)
        if action:
            found[kind] = _spec(kind, action, probe)
    return found


def _spec(kind: Kind, action: str, probe: Object) -> ProbeSpec:
    grace = probe.get("terminationGracePeriodSeconds")
    return ProbeSpec(
        kind=kind,
        action=action,
        body=mapping(probe, action),
        initial_delay=_whole(probe.get("initialDelaySeconds"), 0),
        period=_whole(probe.get("periodSeconds"), 10),
        timeout=_whole(probe.get("timeoutSeconds"), 1),
        success_threshold=_whole(probe.get("successThreshold"), 1),
        failure_threshold=_whole(probe.get("failureThreshold"), 3),
        grace=float(grace) if isinstance(grace, int) and kind is not Kind.READINESS else None,
    )


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


@dataclass(slots=True)
class Tracker:
    """One probe of one container over its restarts.

    result: None until the container's probe has a verdict; True or False afterwards.
    Readiness counts as false and liveness as true until then; a startup probe holds the others back.
    """

    spec: ProbeSpec
    result: bool | None = None
    on_hold: bool = False
    last: Outcome | None = None
    run: int = 0

    def new_container(self) -> None:
        """A restart: the verdict is forgotten. The count of equal results is not, exactly as in the kubelet."""
        self.result = None
        self.on_hold = False

    def due(self, *, age: float, started: bool, ending: bool) -> bool:
        """Whether a tick may probe. age: seconds since the container started; ending: the pod is being deleted."""
        if self.on_hold or (ending and self.spec.kind is not Kind.READINESS):
            return False
        if int(age) < self.spec.initial_delay:
            return False
        return started is not (self.spec.kind is Kind.STARTUP)

    def record(self, outcome: Outcome) -> bool | None:
        """Count a result. Returns the verdict where this result reached its threshold, else None."""
        if outcome is Outcome.ERROR:
            return None
        self.run = self.run + 1 if outcome is self.last else 1
        self.last = outcome
        good = outcome is Outcome.SUCCESS
        if self.run < (self.spec.success_threshold if good else self.spec.failure_threshold):
            return None
        self.result = good
        if self.spec.kind is Kind.STARTUP or (self.spec.kind is Kind.LIVENESS and not good):
            # Quiet until there is a new container: it will be restarted, or has started for good.
            self.on_hold = True
            self.run = 0
        return good
