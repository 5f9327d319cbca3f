"""What a router needs to know of a route to move its traffic and to put it back exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, ObjectRef

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


@dataclass(frozen=True, slots=True)
class Around:
    """What else a router may look at. objects: live ones. listed: (group, kind) pairs of which all are among them."""

    objects: Mapping[ObjectRef, Object] = field(default_factory=dict)
    listed: frozenset[tuple[str, str]] = frozenset()

    def of_kind(self, group: str, kind: str) -> Iterator[Object]:
        return (obj for ref, obj in self.objects.items() if (ref.group, ref.kind) == (group, kind))

    def lacks(self, ref: ObjectRef) -> bool:
        """Whether it is certain that there is no such object."""
        return ref not in self.objects and (ref.group, ref.kind) in self.listed


NOTHING = Around()


def service_of(backend: str) -> str:
    """The Service of a backend: "web" of "web" and of "web/v1-stable", its subset (Istio)."""
    return backend.partition("/")[0]


def subset_of(backend: str) -> str:
    """The subset, "" for a Service as a whole."""
    return backend.partition("/")[2]


class Backends(NamedTuple):
    """Two backends of the route's namespace between which its traffic is split: Services, or subsets of them."""

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
