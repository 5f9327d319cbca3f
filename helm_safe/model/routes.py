"""What a router needs to know of a route to move its traffic and to put it back exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helm_safe.core.objects import ObjectRef

Patch = list[dict[str, Any]]
"""A JSON patch (RFC 6902) whose first operation tests the resourceVersion; empty where nothing is to change."""


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


class Backends(NamedTuple):
    """Two Services of the route's namespace between which its traffic is split."""

    stable: str
    canary: str


class Foreign(NamedTuple):
    """What somebody else did to a route that we move, and who, as far as its managedFields tell."""

    what: str
    who: str

    def __str__(self) -> str:
        return f"{self.what} (by {self.who})" if self.who else self.what


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
