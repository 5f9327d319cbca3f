"""An in-memory Releases: what Helm's storage and `helm rollback` do, with the failures that were seen on real Helms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import cast

from helm_safe.core.objects import Object, ObjectRef, ref_of
from helm_safe.core.yamlio import dump, load_all
from helm_safe.helm.flags import check_flags
from helm_safe.model.errors import Conflict, NotFound, OutcomeUnknown
from helm_safe.model.revisions import BrokenRecord, History, Hook, Release, Revision, RevisionStatus
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion
from helm_safe.ports import Check, NativeResult, Releases
from tests.fakes.fencing import Fenced

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
NEWEST = HelmVersion(4, 3, 1)
SUCCESS = "Rollback was a success! Happy Helming!\n"


class Failure(str, Enum):
    """How a native rollback goes wrong."""

    FORBIDDEN = "the record may not be created: nothing changes"
    UNBUILDABLE = "a kind is not served: record stuck pending, nothing applied"
    PRE_HOOK = "a pre-rollback hook fails: record stuck pending, nothing applied"
    UPDATE = "an object is refused: record failed, the last one superseded, objects changed in part"
    POST_HOOK = "a post-rollback hook fails: record stuck pending, target applied"
    KILLED = "helm is killed: record stuck pending, target applied"
    HANGS = "helm does not end: record pending, target applied"


# failure -> (exit code, status of the new record, whether the objects of the target are applied)
OUTCOMES = {
    Failure.UNBUILDABLE: (1, RevisionStatus.PENDING_ROLLBACK, False),
    Failure.PRE_HOOK: (1, RevisionStatus.PENDING_ROLLBACK, False),
    Failure.UPDATE: (1, RevisionStatus.FAILED, False),
    Failure.POST_HOOK: (1, RevisionStatus.PENDING_ROLLBACK, True),
    Failure.KILLED: (143, RevisionStatus.PENDING_ROLLBACK, True),
    Failure.HANGS: (0, RevisionStatus.PENDING_ROLLBACK, True),
}

Apply = Callable[[Revision, Revision], None]


class FakeReleases(Releases):
    """Releases without Helm.

    apply: called with (current, target) where the real Helm changes objects; let it change a FakeCluster.
    failures: consumed by the next calls of `rollback`, first one first. calls: (release, revision, options) of each.
    """

    def __init__(
        self,
        *,
        version: HelmVersion = NEWEST,
        now: Callable[[], datetime] | None = None,
        apply: Apply | None = None,
    ) -> None:
        self.failures: list[Failure] = []
        self.calls: list[tuple[Release, int, NativeOptions]] = []
        self._version = version
        self._ticks = 0
        self._now = now or self._tick
        self._apply = apply or (lambda _current, _target: None)
        self._revisions: dict[Release, list[Revision]] = {}
        self._broken: dict[Release, list[BrokenRecord]] = {}

    def upgrade(
        self,
        release: Release,
        *objects: Object,
        status: RevisionStatus = RevisionStatus.DEPLOYED,
        hooks: tuple[Hook, ...] = (),
        at: datetime | None = None,
        description: str = "",
        chart_version: str = "1.0.0",
        apply_method: str = "",
    ) -> Revision:
        """A new revision with these objects, as install or upgrade make it; nothing is applied anywhere."""
        known = self._revisions.setdefault(release, [])
        number = known[-1].number + 1 if known else 1
        manifest = "---\n".join(dump(each) for each in objects)
        revision = Revision(
            number=number,
            status=status,
            manifest=manifest,
            deployed_at=at or self._now(),
            description=description or _description(release, number, status),
            chart="demo",
            chart_version=chart_version,
            app_version=chart_version,
            apply_method=apply_method or ("ssa" if self._version.major > 3 else ""),
            hooks=hooks,
            objects=_placed(manifest, release),
            record=record_name(release, number),
        )
        if status is RevisionStatus.DEPLOYED:
            self._supersede(release)
        self._revisions[release].append(revision)
        return revision

    def break_record(self, release: Release, number: int, problem: str = "the payload is not base64") -> None:
        """Let the record of a revision be undecodable from now on."""
        self._revisions[release] = [each for each in self._revisions[release] if each.number != number]
        self._broken.setdefault(release, []).append(BrokenRecord(record_name(release, number), number, problem))

    def set(self, release: Release, number: int, **changes: object) -> None:
        """Change members of a recorded revision, e.g. `deployed_at` or `status`."""
        self._revisions[release] = [
            replace(each, **changes) if each.number == number else each  # type: ignore[arg-type]
            for each in self._revisions[release]
        ]

    # The port

    def fenced(self, check: Check) -> Releases:
        return cast("Releases", Fenced(self, check, ("rollback", "delete_record")))

    def version(self) -> HelmVersion:
        return self._version

    def history(self, release: Release) -> History:
        revisions, broken = self._revisions.get(release, []), self._broken.get(release, [])
        if not revisions and not broken:
            raise NotFound(f"there is no release {release}", "`helm list -A` shows the releases.")
        return History(release, tuple(revisions), tuple(broken))

    def rollback(self, release: Release, revision: int, options: NativeOptions, *, timeout: float) -> NativeResult:
        check_flags(self._version, options)
        self.calls.append((release, revision, options))
        history = self.history(release)
        target = history.get(revision)
        failure = self.failures.pop(0) if self.failures else None
        if target is None:
            return NativeResult(1, f"Error: release has no {revision} version\n")
        if failure is Failure.FORBIDDEN:
            return NativeResult(1, "Error: create: failed to create: secrets is forbidden\n")
        return self._carry_out(history, target, failure)

    def delete_record(self, release: Release, record: str, expect_status: str) -> None:
        found = [each for each in self._revisions.get(release, []) if each.record == record]
        if found and found[0].status.value != expect_status:
            raise Conflict(f"{record} has the status {found[0].status.value!r}", status=409)
        self._revisions[release] = [each for each in self._revisions.get(release, []) if each.record != record]

    # How Helm goes about it

    def _carry_out(self, history: History, target: Revision, failure: Failure | None) -> NativeResult:
        code, status, applied = OUTCOMES[failure] if failure else (0, RevisionStatus.DEPLOYED, True)
        release, last = history.release, history.last
        if applied:
            self._apply(last, target)
        if failure is None:
            self._supersede(release)
        if failure is Failure.UPDATE:
            self.set(release, last.number, status=RevisionStatus.SUPERSEDED)
        self._revisions[release].append(self._copy(release, last, target, status))
        if failure is Failure.HANGS:
            raise OutcomeUnknown(f"the native helm of {release} is still running", "It was left running.")
        return NativeResult(code, f"Error: {failure.value}\n" if failure else SUCCESS)

    def _copy(self, release: Release, last: Revision, target: Revision, status: RevisionStatus) -> Revision:
        number = last.number + 1
        failed = status is RevisionStatus.FAILED
        return replace(
            target,
            number=number,
            status=status,
            deployed_at=self._now(),
            description=f'Rollback "{release.name}" failed: refused' if failed else f"Rollback to {target.number}",
            rollback_of=None if failed and self._version.major < 4 else target.number,
            record=record_name(release, number),
        )

    def _supersede(self, release: Release) -> None:
        self._revisions[release] = [
            replace(each, status=RevisionStatus.SUPERSEDED) if each.status is RevisionStatus.DEPLOYED else each
            for each in self._revisions[release]
        ]

    def _tick(self) -> datetime:
        self._ticks += 1
        return START + timedelta(minutes=self._ticks)


def record_name(release: Release, number: int) -> str:
    return f"sh.helm.release.v1.{release.name}.v{number}"


def _description(release: Release, number: int, status: RevisionStatus) -> str:
    if status is RevisionStatus.FAILED:
        return f'Upgrade "{release.name}" failed: it does not start'
    if status.pending:
        return "Preparing upgrade"
    return "Install complete" if number == 1 else "Upgrade complete"


def _placed(manifest: str, release: Release) -> dict[ObjectRef, Object]:
    """The objects with the namespace of the release; a fake cluster has no kinds of the whole cluster in a chart."""
    found = {}
    for obj in load_all(manifest):
        if obj:
            obj["metadata"].setdefault("namespace", release.namespace)
            found[ref_of(obj)] = obj
    return found
