"""Worlds of the release's history."""

from __future__ import annotations

from datetime import timedelta

from helm_safe.model.revisions import BrokenRecord, RevisionStatus
from helm_safe.model.settings import NativeOptions, Settings
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import NOW, World, deployment, fires, obj, quiet, revision, world

DEPLOYED, FAILED = RevisionStatus.DEPLOYED, RevisionStatus.FAILED
PENDING = RevisionStatus.PENDING_ROLLBACK


@quiet("HIST-001", "HIST-002", "HIST-003", "HIST-004", "HIST-005", "HIST-006", "HIST-007", "LEFT-001")
def two_ordinary_revisions() -> Snapshot:
    return world([deployment(replicas=1)], [deployment(replicas=2)]).snapshot()


@fires("HIST-001", says="Revision 1 is pending-rollback", severity="error", evidence="description: Rollback to 3")
def target_is_pending() -> Snapshot:
    base = world([deployment()])
    return World(base.current, revision(1, status=PENDING, description="Rollback to 3")).snapshot()


@fires("HIST-002", says="Revision 1 failed when it was released.", evidence="status: failed")
def target_failed() -> Snapshot:
    return World(world().current, revision(1, status=FAILED, description="Upgrade failed: boom")).snapshot()


@fires("HIST-002", says="the status was rewritten afterwards", evidence="timed out")
def target_failed_though_superseded() -> Snapshot:
    target = revision(1, description='Rollback "shop" failed: timed out')
    return World(world().current, target).snapshot()


@fires("HIST-002", says="was uninstalled")
def target_was_uninstalled() -> Snapshot:
    return World(world().current, revision(1, status=RevisionStatus.UNINSTALLED)).snapshot()


@fires("HIST-003", says="another Helm may still be at work", severity="error")
def upgrade_is_running() -> Snapshot:
    young = revision(3, status=RevisionStatus.PENDING_UPGRADE, deployed_at=NOW - timedelta(minutes=2))
    return world().snapshot(newer=(young,))


@fires("HIST-003", says="stale and will be repaired", severity="info")
def an_old_pending_record() -> Snapshot:
    return world().snapshot(newer=(revision(3, status=PENDING, deployed_at=NOW - timedelta(hours=5)),))


@fires("HIST-003", says="at an unknown time", severity="error")
def pending_without_a_time() -> Snapshot:
    return world().snapshot(newer=(revision(3, status=PENDING, deployed_at=None),))


@fires("HIST-004", severity="warning", object="sh.helm.release.v1.shop.v1", evidence="not gzip")
def an_old_record_is_broken() -> Snapshot:
    return world().snapshot(broken=(BrokenRecord("sh.helm.release.v1.shop.v1", 1, "not gzip"),))


@fires("HIST-004", severity="error", says="revision 3")
def the_newest_record_is_broken() -> Snapshot:
    return world().snapshot(broken=(BrokenRecord("sh.helm.release.v1.shop.v3", 3, "not gzip"),))


def long_history(limit: int | None) -> Snapshot:
    old = revision(1, deployment(replicas=1))
    rest = tuple(revision(number) for number in range(2, 10))
    current = revision(10, deployment(), status=DEPLOYED)
    settings = Settings(native=NativeOptions(history_max=limit))
    return World(current, old).snapshot(older=rest, settings=settings)


@fires("HIST-005", severity="info", says="With a history limit of 10", evidence="records: 10")
def ten_records() -> Snapshot:
    return long_history(None)


@quiet("HIST-005")
def no_limit() -> Snapshot:
    return long_history(0)


@quiet("HIST-005")
def room_for_one_more() -> Snapshot:
    return long_history(11)


@fires("HIST-006", severity="warning", says="Revisions 1 and 2 are all deployed")
def two_deployed() -> Snapshot:
    return World(world().current, revision(1, status=DEPLOYED)).snapshot()


def same_content(live_image: str = "registry.example/shop:1", **current: object) -> Snapshot:
    web = deployment()
    live = deployment("web", {"name": "app", "image": live_image})
    target = revision(1, web, manifest="same")
    return World(revision(2, web, manifest="same", **{"status": DEPLOYED, **current}), target, (live,)).snapshot()


@fires("HIST-007", severity="error", says="Nothing to do: revision 1 has the same content")
def current_equals_target() -> Snapshot:
    return same_content()


@quiet("HIST-007")
def same_content_but_drifted() -> Snapshot:
    return same_content(live_image="registry.example/shop:hotfix")


@quiet("HIST-007")
def same_content_but_half_applied() -> Snapshot:
    return same_content(status=FAILED)


@fires("LEFT-001", severity="info", evidence="would be orphaned: ConfigMap/only-in-two")
def last_was_never_applied() -> Snapshot:
    current = revision(2, deployment(), obj("ConfigMap", "only-in-two"), status=DEPLOYED, manifest="two")
    attempt = revision(3, deployment(replicas=1), status=PENDING, manifest="one")
    return World(current, revision(1, deployment(replicas=1), manifest="one")).snapshot(newer=(attempt,))


@quiet("LEFT-001")
def last_failed_with_the_deployed_content() -> Snapshot:
    current = revision(2, deployment(), status=DEPLOYED, manifest="two")
    return World(current, revision(1, manifest="one")).snapshot(newer=(revision(3, status=FAILED, manifest="two"),))
