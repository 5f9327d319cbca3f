"""Flags of the native rollback, judged before anything is touched."""

from __future__ import annotations

import pytest

from helm_safe.helm.flags import check_flags, history_max, rollback_arguments
from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import Revision, RevisionStatus
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion

THREE, FOUR, FOUR_TWO = HelmVersion(3, 22), HelmVersion(4, 3, 1), HelmVersion(4, 2, 4)
SSA = Revision(1, RevisionStatus.SUPERSEDED, "", apply_method="ssa")
CSA = Revision(1, RevisionStatus.SUPERSEDED, "")


@pytest.mark.parametrize("version", [THREE, FOUR])
def test_the_words_that_both_majors_take(version: HelmVersion) -> None:
    """Never --wait, whose meaning differs; the history is never pruned by an attempt."""
    assert rollback_arguments("api", 2, NativeOptions(), version, 300.0) == [
        "rollback", "api", "2", "--timeout", "300s", "--history-max", "0",
    ]  # fmt: skip


def test_every_flag_of_helm_4_is_passed_on() -> None:
    options = NativeOptions(
        no_hooks=True, cleanup_on_fail=True, force_conflicts=True, server_side="true", description="-n x", history_max=7
    )
    assert rollback_arguments("api", 2, options, FOUR, 0.2)[3:] == [
        "--timeout", "1s", "--history-max", "7", "--no-hooks", "--cleanup-on-fail", "--force-conflicts",
        "--server-side=true", "--description=-n x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "options", "named"),
    [
        (THREE, NativeOptions(force_conflicts=True), "--force-conflicts"),
        (THREE, NativeOptions(force_replace=True), "--force-replace"),
        (THREE, NativeOptions(server_side="false"), "--server-side"),
        (THREE, NativeOptions(description="x"), "--description"),
        (FOUR_TWO, NativeOptions(description="x"), "--description"),
        (FOUR, NativeOptions(description="x" * 257), "256"),
        (FOUR, NativeOptions(server_side="maybe"), "maybe"),
        (FOUR, NativeOptions(history_max=-1), "below 0"),
        (FOUR, NativeOptions(force_conflicts=True, force_replace=True), "exclude"),
        (FOUR, NativeOptions(force_replace=True, server_side="true"), "--force-replace"),
        (FOUR, NativeOptions(force_conflicts=True, server_side="false"), "--force-conflicts"),
    ],
)
def test_wrong_flags_are_usage_errors(version: HelmVersion, options: NativeOptions, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        check_flags(version, options)
    with pytest.raises(UsageError, match=named):
        rollback_arguments("api", 1, options, version, 1.0)


def test_the_mode_auto_follows_the_target_revision() -> None:
    check_flags(FOUR, NativeOptions(force_conflicts=True), SSA)
    check_flags(FOUR, NativeOptions(force_replace=True), CSA)
    with pytest.raises(UsageError, match="server-side apply"):
        check_flags(FOUR, NativeOptions(force_conflicts=True), CSA)
    with pytest.raises(UsageError, match="server-side apply"):
        check_flags(FOUR, NativeOptions(force_replace=True), SSA)


@pytest.mark.parametrize(
    ("requested", "target", "expected"), [(None, 1, 0), (0, 1, 0), (3, 1, 12), (3, 9, 4), (50, 1, 50)]
)
def test_history_max_never_prunes_the_target(requested: int | None, target: int, expected: int) -> None:
    assert history_max(requested, list(range(1, 11)), target) == expected
