"""What a router needs to know of a route to move its traffic and to put it back exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from helm_safe.core.objects import ObjectRef


@dataclass(frozen=True, slots=True)
class Weight:
    """Share of the backend under trial in percent, 0..100; the other backend's share is derived and cannot be swapped.

    In routers, stable is the backend that has the traffic now and canary the one under trial.
    """

    canary: float

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= 100:
            raise ValueError(f"a weight of {self.canary} % is not between 0 and 100")

    @property
    def stable(self) -> float:
        return 100 - self.canary


@dataclass(frozen=True, slots=True)
class Backends:
    """The two Services that a route's traffic is split between, both in `namespace`."""

    namespace: str
    stable: str
    canary: str


@dataclass(frozen=True, slots=True)
class RouteCapture:
    """A route as it was before the first write: journaled, and the base of every later weight.

    router: name in the table of routers. base: what the router computes weights from and restores, plain JSON.
    """

    router: str
    ref: ObjectRef
    base: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"router": self.router, "ref": list(self.ref), "base": self.base}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> RouteCapture:
        """The inverse of to_json. Raises KeyError or TypeError on a body of another shape."""
        return cls(str(body["router"]), ObjectRef(*body["ref"]), dict(body["base"]))
