"""Whole runs of the native strategy on fakes: what is true at the end, after failures and after every crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from helm_safe.helm.binary import HelmBinary
from helm_safe.helm.reading import BinaryStorage
from helm_safe.journal.lease import Lease
from helm_safe.journal.secret_store import SecretJournal, runs_of
from helm_safe.model.errors import (
    Blocked,
    ClusterError,
    Forbidden,
    HelmSafeError,
    NotFound,
    OutcomeUnknown,
    PersonNeeded,
    RunFailed,
    Unreachable,
    UsageError,
)
from helm_safe.model.plan import EndState
from helm_safe.model.records import Record, fold
from helm_safe.model.revisions import Revision, RevisionStatus
from helm_safe.model.settings import Settings
from helm_safe.rollback import control
from helm_safe.rollback.context import World
from helm_safe.rollback.runs import latest_run, unfinished_run
from tests.fakes.releases import Failure
from tests.fakes.runs import RELEASE, Helm, deployment, healthy, world

SETTINGS = Settings(yes=True, bake=4.0, timeout=60.0)


class Crash(BaseException):
    """kill -9: nothing of ours runs after it."""


def begin(made: World, number: int | None = 1, settings: Settings = SETTINGS) -> None:
    control.start(made, RELEASE, number, settings, show=lambda _: None, confirm=lambda _: True)


def helm(made: World) -> Helm:
    assert isinstance(made.releases, Helm)
    return made.releases


def live(made: World) -> dict[str, object]:
    found = helm(made).cluster.find("Deployment", "checkout-api", "prod")
    assert found
    return found["spec"]  # type: ignore[no-any-return]


def assert_restored(made: World) -> None:
    history = made.releases.history(RELEASE)
    assert history.last.status is RevisionStatus.DEPLOYED
    first = history.get(1)
    assert first
    assert history.last.manifest == first.manifest
    assert sum(each.status is RevisionStatus.DEPLOYED for each in history.revisions) == 1
    spec = live(made)
    assert spec["replicas"] == 4
    assert spec["template"]["spec"]["containers"][0]["image"] == "shop/checkout-api:1"  # type: ignore[index]


def test_a_run_restores_the_target_and_the_replicas(tmp_path: Path) -> None:
    """The newest revision is a copy of the target, the pods are as many as before, the Lease is free."""
    made = world(tmp_path)
    begin(made)
    assert_restored(made)
    state = latest_run(made, RELEASE)
    assert state
    assert state.progress.end == "SUCCEEDED"
    assert state.holder is None


def test_pods_scaled_away_by_hand_come_back(tmp_path: Path) -> None:
    """After `kubectl scale --replicas=0` helm leaves zero pods; the run restores the autoscaler's word."""
    made = world(tmp_path)
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "checkout-api", "namespace": "prod"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "checkout-api"}, "minReplicas": 4, "maxReplicas": 9},
    }
    helm(made).cluster.put(hpa)
    helm(made).cluster.put(healthy(deployment("2", 0)))
    begin(made)
    assert_restored(made)


def test_without_revision_the_newest_good_one_is_taken(tmp_path: Path) -> None:
    """Revision 1 served for hours; that is evidence."""
    made = world(tmp_path)
    begin(made, None)
    assert_restored(made)


def test_without_evidence_nothing_is_proposed(tmp_path: Path) -> None:
    """A revision that served for seconds proves nothing, `--yes` or not."""
    made = world(tmp_path)
    with pytest.raises(UsageError, match="no revision"):
        begin(made, None, Settings(yes=True, known_good_after=1e9))


def test_a_no_leaves_everything_untouched(tmp_path: Path) -> None:
    """The question can be answered with no."""
    made = world(tmp_path)
    with pytest.raises(Blocked, match="you said no"):
        control.start(made, RELEASE, 1, Settings(), show=lambda _: None, confirm=lambda _: False)
    assert helm(made).calls == []


@pytest.mark.parametrize("error", [Unreachable("no connection"), Forbidden("may not list deployments")])
def test_lost_contact_in_mid_run_is_not_told_as_untouched(tmp_path: Path, error: ClusterError) -> None:
    """Before a run the same errors are exit 2; now the outcome is open, and `resume` goes on once it is mended."""
    made = world(tmp_path)
    cluster = helm(made).cluster
    real = helm(made).change

    def change(current: Revision, target: Revision) -> None:
        real(current, target)
        cluster.fail("get", error, kind="Deployment")

    helm(made)._apply = change
    with pytest.raises(OutcomeUnknown, match=error.message) as caught:
        begin(made)
    assert "resume" in caught.value.next_step
    control.resume(made, RELEASE, SETTINGS)
    assert_restored(made)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (Failure.FORBIDDEN, RunFailed),
        (Failure.PRE_HOOK, RunFailed),
        (Failure.UPDATE, PersonNeeded),
        (Failure.POST_HOOK, PersonNeeded),
        (Failure.HANGS, OutcomeUnknown),
    ],
)
def test_helm_failing_is_told_for_what_it_is(tmp_path: Path, failure: Failure, error: type[HelmSafeError]) -> None:
    """Untouched is exit 1, changed is exit 5, unknown is exit 4."""
    made = world(tmp_path)
    helm(made).failures.append(failure)
    with pytest.raises(error):
        begin(made)


def test_a_record_that_the_driver_cannot_remove_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm's sql driver: the hook failed, the pending record stays. That is a person's work, and no crash."""
    made = world(tmp_path)
    helm(made).failures.append(Failure.PRE_HOOK)
    monkeypatch.setattr(made.releases, "delete_record", BinaryStorage(cast(HelmBinary, None), "sql").delete)
    with pytest.raises(PersonNeeded, match="revision 3 stays pending-rollback") as raised:
        begin(made)
    assert "sql" in raised.value.message
    assert "helm rollback checkout-api DEPLOYED-REVISION -n prod --no-hooks" in raised.value.message
    assert "not touched" not in raised.value.message
    assert live(made)["template"]["spec"]["containers"][0]["image"] == "shop/checkout-api:2"  # type: ignore[index]
    state = control.latest_run(made, RELEASE)
    assert state
    assert (state.progress.end, state.holder) == ("FAILED", None)


def test_a_stale_pending_record_is_repaired_first(tmp_path: Path) -> None:
    """Two hops: to the deployed revision, then to the target."""
    made = world(tmp_path)
    old = made.releases.history(RELEASE).last.deployed_at
    helm(made).upgrade(RELEASE, deployment("3"), status=RevisionStatus.PENDING_UPGRADE, at=old)
    begin(made, 1, Settings(yes=True, bake=4.0, timeout=60.0, pending_grace=60.0))
    assert [revision for _, revision, _ in helm(made).calls] == [2, 1]
    assert_restored(made)


def test_an_upgrade_since_the_plan_stops_the_run(tmp_path: Path) -> None:
    """What somebody else released in between is not undone unseen."""
    made = world(tmp_path)

    def meanwhile(_: object) -> bool:
        helm(made).upgrade(RELEASE, deployment("3"))
        return True

    with pytest.raises(Blocked, match="revision 3"):
        control.start(made, RELEASE, 1, Settings(bake=4.0), show=lambda _: None, confirm=meanwhile)
    assert helm(made).calls == []


def test_a_second_run_is_refused_while_one_is_unfinished(tmp_path: Path) -> None:
    """Crash, then a new run: the old one must be resumed or aborted first."""
    made = world(tmp_path)
    crash_after(made, 3)
    with pytest.raises(Blocked, match="unfinished"):
        begin(made)


def test_resume_without_a_run(tmp_path: Path) -> None:
    """Nothing to resume is said."""
    with pytest.raises(NotFound, match="no run is under way"):
        control.resume(world(tmp_path), RELEASE, SETTINGS)


def crash_after(made: World, count: int, *, before: bool = False) -> None:
    """Run, and die at the `count`-th append to the journal, before or after it became durable."""
    appended = 0
    real: Callable[[SecretJournal, Record], None] = SecretJournal.append

    def append(journal: SecretJournal, record: Record) -> None:
        nonlocal appended
        appended += 1
        if appended == count and before:
            raise Crash
        real(journal, record)
        if appended == count:
            raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecretJournal, "append", append)
        patch.setattr(Lease, "release", lambda lease: lease._stop.set())
        with pytest.raises(Crash):
            begin(made)


def journal_length(tmp_path: Path) -> int:
    made = world(tmp_path / "probe")
    begin(made)
    return len(next(iter(runs_of(made.cluster, RELEASE).values())))


RECORDS = 15  # START, then INTENT and DONE of six steps, when the native rollback began, END


def test_the_crash_points_are_all_there_are(tmp_path: Path) -> None:
    """The matrix below covers every record of a run."""
    assert journal_length(tmp_path) == RECORDS


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("count", range(1, RECORDS + 1))
def test_a_run_killed_at_any_record_can_be_resumed(tmp_path: Path, count: int, before: bool) -> None:
    """kill -9 around every record, then `resume` from elsewhere: the release is restored, helm ran once."""
    made = world(tmp_path)
    crash_after(made, count, before=before)
    if latest_run(made, RELEASE) is None or (count == RECORDS and not before):
        return  # nothing was begun, or nothing was left to do
    made.clock.sleep(60)
    control.resume(made, RELEASE, SETTINGS)
    assert_restored(made)
    assert len(helm(made).calls) == 1


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("count", range(1, RECORDS))
def test_a_run_killed_at_any_record_can_be_aborted(tmp_path: Path, count: int, before: bool) -> None:
    """Before the native rollback an abort leaves the release alone; after it a person is needed."""
    made = world(tmp_path)
    crash_after(made, count, before=before)
    if latest_run(made, RELEASE) is None:
        return
    made.clock.sleep(60)
    ran = bool(helm(made).calls)
    journaled = "rollback" in fold(next(iter(runs_of(made.cluster, RELEASE).values()))).begun
    if ran or journaled:
        with pytest.raises(PersonNeeded):
            control.abort(made, RELEASE, SETTINGS)
    else:
        assert control.abort(made, RELEASE, SETTINGS) is EndState.ABORTED
        assert helm(made).calls == []
    with pytest.raises(NotFound):
        unfinished_run(made, RELEASE)
