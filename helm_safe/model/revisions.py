"""Releases and their revisions, in Helm's own words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from helm_safe.core.objects import Object, ObjectRef


class Release(NamedTuple):
    """A named installation of a chart."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.namespace}"


HOOK_SKEW = timedelta(seconds=120)
"""A hook's run that began earlier than this before its revision is another revision's: a rollback copies them."""


class RevisionStatus(str, Enum):
    """Helm's words, unchanged."""

    UNKNOWN = "unknown"
    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    UNINSTALLED = "uninstalled"
    UNINSTALLING = "uninstalling"
    PENDING_INSTALL = "pending-install"
    PENDING_UPGRADE = "pending-upgrade"
    PENDING_ROLLBACK = "pending-rollback"

    @property
    def pending(self) -> bool:
        return self.value.startswith("pending-")


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of a revision. `started_at` is trustworthy only within its own revision (a rollback copies it)."""

    name: str
    kind: str
    path: str
    events: tuple[str, ...]
    weight: int
    manifest: str
    objects: tuple[Object, ...] = ()
    phase: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One numbered state of a release; a rollback creates a new one with the target's content.

    objects: the manifest parsed, `List`s unpacked, namespace filled in for namespaced kinds; keys are unique.
    rollback_of: the revision this one copied, None when it is no rollback. values_hash: sha256 of the user's values.
    crds: the names of the files below the chart's crds/ with the sha256 of each. record: name of its storage object.
    marks: the annotations of its Chart.yaml that are meant for helm-safe. future: it is not made yet.
    """

    number: int
    status: RevisionStatus
    manifest: str
    deployed_at: datetime | None = None
    description: str = ""
    chart: str = ""
    chart_version: str = ""
    app_version: str = ""
    apply_method: str = ""
    rollback_of: int | None = None
    hooks: tuple[Hook, ...] = ()
    objects: dict[ObjectRef, Object] = field(default_factory=dict)
    values_hash: str = ""
    crds: dict[str, str] = field(default_factory=dict)
    record: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    future: bool = False

    @property
    def content(self) -> str:
        """Hash of manifest and hooks: two revisions with the same content behave the same."""
        digest = hashlib.sha256(self.manifest.encode())
        for hook in sorted(self.hooks, key=lambda each: (each.kind, each.name)):
            digest.update(hook.manifest.encode())
        return digest.hexdigest()

    @property
    def server_side(self) -> bool:
        return self.apply_method == "ssa"


def ran_with(revision: Revision, hook: Hook) -> bool:
    """Whether the record proves that the hook ran with this very revision."""
    began, deployed = hook.started_at, revision.deployed_at
    if began is None or deployed is None or (began.tzinfo is None) != (deployed.tzinfo is None):
        return False
    return began >= deployed - HOOK_SKEW


def run_of(revision: Revision, hook: Hook) -> str:
    """What the record proves of the hook's run with this revision, in words."""
    if hook.started_at is None or not ran_with(revision, hook):
        return "no proof that it ran with this revision"
    return f"it ran at {hook.started_at.isoformat()}: {hook.phase or 'unknown result'}"


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A storage object of the release that could not be decoded; it is reported and survived."""

    record: str
    number: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class History:
    """All revisions of a release, oldest first, and the records that could not be read."""

    release: Release
    revisions: tuple[Revision, ...]
    broken: tuple[BrokenRecord, ...] = ()

    @property
    def last(self) -> Revision:
        """The revision with the highest number, whatever its status: the base of Helm's next diff."""
        return self.revisions[-1]

    @property
    def deployed(self) -> Revision | None:
        """The newest revision with the status deployed."""
        found = [each for each in self.revisions if each.status is RevisionStatus.DEPLOYED]
        return found[-1] if found else None

    def get(self, number: int) -> Revision | None:
        return next((each for each in self.revisions if each.number == number), None)


class Standing(str, Enum):
    """What the evidence says of a revision's content."""

    GOOD = "good"
    BAD = "bad"
    UNPROVEN = "unproven"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a revision is held to be good or bad; `facts` are sentences for people."""

    standing: Standing
    facts: tuple[str, ...] = ()
