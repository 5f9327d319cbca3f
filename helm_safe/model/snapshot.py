"""One consistent view of the world; every check of a pass judges the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from helm_safe.core.objects import Gvk, Object, ObjectRef, gvk_of
from helm_safe.model.changes import Change
from helm_safe.model.neighbours import Driver, GitOwner, drivers, git_owners
from helm_safe.model.photograph import State
from helm_safe.model.queries import Unanswered
from helm_safe.model.revisions import History
from helm_safe.model.routes import Around
from helm_safe.model.settings import Settings
from helm_safe.model.staging import Staging


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of API discovery: how a kind is addressed. `plural` is the REST name."""

    gvk: Gvk
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Served:
    """What the API server serves. `preferred` finds a kind of a group whatever its version."""

    resources: Mapping[Gvk, Resource]
    failed_groups: tuple[str, ...] = ()

    def get(self, gvk: Gvk) -> Resource | None:
        return self.resources.get(gvk)

    def preferred(self, group: str, kind: str) -> Resource | None:
        """The first served version of the kind, in the server's order of preference."""
        return next((r for g, r in self.resources.items() if (g.group, g.kind) == (group, kind)), None)

    def of(self, obj: Object) -> Resource | None:
        """The row for an object: its own version, else another served one of the same group and kind."""
        gvk = gvk_of(obj)
        return self.get(gvk) or self.preferred(gvk.group, gvk.kind)


@dataclass(frozen=True, slots=True)
class DryRun:
    """The API server's answer to a server-side dry run of one target object.

    status: HTTP code, 0 when there was no answer. conflicts: (manager, field) pairs of an apply conflict.
    message: redacted. Accepted when status is 200 or 201.
    """

    status: int
    reason: str = ""
    message: str = ""
    conflicts: tuple[tuple[str, str], ...] = ()

    @property
    def accepted(self) -> bool:
        return self.status in (200, 201)


@dataclass(frozen=True, slots=True)
class HelmVersion:
    """Version of the helm binary at hand."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"


class Sharing(NamedTuple):
    """How one rule of a route shares requests for the release. shares: percent per backend. source: in words."""

    ref: ObjectRef
    shares: Mapping[str, float]
    source: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a check may see.

    live: every live object that was listed, by reference; values of Secrets are replaced by their hashes
    ("sha256:…" per key), those of the release's own records are left out. listed: the (group, kind) pairs
    that were listed whole in the namespace, so that absence there proves absence. denied: (group, kind) that may not be
    listed, with the reason. dry_run: answers per target object, absent where it was not asked. permitted: answers of
    access reviews, keyed "verb resource.group[/subresource]". now: the API server's clock. staging: which workloads get
    a standby. crooked: why a route to them cannot be split, a sentence each. blind: why the gateway's numbers cannot be
    had, "" when they can. unanswered: queries of the user's that were tried and had no usable answer. near: kinds of
    routes of which those of other namespaces may not be listed. whole: kinds listed wherever a router looks for them.
    sharing: what the rules of all routes to the release say, as they will be after the rollback. plain: the workloads
    to which users come by Services that no route names, where no other can be staged; plain_permitted: what `permitted`
    is then. state: what does not travel back, as far as it was read.
    """

    history: History
    change: Change
    served: Served
    live: Mapping[ObjectRef, Object]
    listed: frozenset[tuple[str, str]]
    helm: HelmVersion
    settings: Settings
    now: datetime
    denied: Mapping[tuple[str, str], str] = field(default_factory=dict)
    dry_run: Mapping[ObjectRef, DryRun] = field(default_factory=dict)
    permitted: Mapping[str, bool] = field(default_factory=dict)
    staging: Staging = field(default_factory=Staging)
    crooked: tuple[str, ...] = ()
    blind: str = ""
    unanswered: tuple[Unanswered, ...] = ()
    near: tuple[str, ...] = ()
    whole: frozenset[tuple[str, str]] = frozenset()
    sharing: tuple[Sharing, ...] = ()
    plain: Staging = field(default_factory=Staging)
    plain_permitted: Mapping[str, bool] = field(default_factory=dict)
    state: State = field(default_factory=State)

    def by_ratio(self) -> Snapshot:
        """The same for a run that moves users by the ratio of ready pods."""
        return replace(self, staging=self.plain, permitted=self.plain_permitted)

    @property
    def around(self) -> Around:
        """What routers look at."""
        return Around(self.live, self.whole)

    def of_kind(self, group: str, kind: str) -> list[Object]:
        """Live objects of a kind in the namespace of the release."""
        return [obj for ref, obj in self.live.items() if (ref.group, ref.kind) == (group, kind)]

    @property
    def drivers(self) -> list[Driver]:
        """Who decides when the release's pods and users move."""
        return drivers(self.live, {*self.change.current.objects, *self.change.target.objects})

    @property
    def git_owners(self) -> dict[GitOwner, list[ObjectRef]]:
        """Who keeps the release's objects equal to a repository."""
        return git_owners(self.change.current.objects, self.live, self.settings.resolved.value("gitops.namespace"))

    def live_for(self, ref: ObjectRef) -> Object | None:
        return self.live.get(ref)

    def knows(self, group: str, kind: str) -> bool:
        """Whether absence from `live` proves that no such object exists."""
        return (group, kind) in self.listed
