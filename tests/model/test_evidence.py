"""Which revisions count as good."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from helm_safe.model.evidence import current_of, evidence_of, propose, span
from helm_safe.model.revisions import Evidence, History, Release, Revision, RevisionStatus, Standing

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
HALF_AN_HOUR = 1800.0
S = RevisionStatus


def revision(
    number: int, content: str, minutes: float, status: RevisionStatus = S.SUPERSEDED, **members: object
) -> Revision:
    """A revision begun `minutes` after START."""
    return Revision(number, status, content, deployed_at=START + timedelta(minutes=minutes), **members)  # type: ignore[arg-type]


def history(*revisions: Revision) -> History:
    return History(Release("shop", "api"), revisions)


def judged(found: History, *, good: dict[str, str] | None = None, after: float = 10_000) -> dict[int, Evidence]:
    return evidence_of(found, good=good or {}, known_good_after=HALF_AN_HOUR, now=START + timedelta(minutes=after))


def standings(found: History, **options: object) -> dict[int, Standing]:
    return {number: each.standing for number, each in judged(found, **options).items()}  # type: ignore[arg-type]


def proposed(found: History, **options: object) -> int | None:
    chosen = propose(found, judged(found, **options))  # type: ignore[arg-type]
    return chosen.number if chosen else None


def test_long_service_is_good_and_replaced_sooner_is_unproven() -> None:
    """1 served past the limit, 2 and 3 were replaced sooner: 1 is proposed."""
    found = history(revision(1, "a", 0), revision(2, "b", 31), revision(3, "c", 41), revision(4, "d", 51, S.DEPLOYED))
    assert standings(found) == {1: Standing.GOOD, 2: Standing.UNPROVEN, 3: Standing.UNPROVEN, 4: Standing.CURRENT}
    assert proposed(found) == 1


def test_exactly_the_limit_is_enough() -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 30, S.DEPLOYED))
    assert proposed(found) == 1


def test_superseded_alone_proves_nothing() -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 5, S.DEPLOYED))
    assert proposed(found) is None
    assert "less than 30 min" in judged(found)[1].facts[0]


def test_the_current_content_is_never_proposed_whatever_its_number() -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 60), revision(3, "a", 70, S.DEPLOYED, rollback_of=1))
    assert standings(found)[1] is Standing.CURRENT
    assert proposed(found) is None


def test_what_was_rolled_back_from_is_bad_although_it_served_long() -> None:
    found = history(
        revision(1, "a", 0),
        revision(2, "b", 60),
        revision(3, "a", 600, rollback_of=1),
        revision(4, "c", 700, S.DEPLOYED),
    )
    assert standings(found)[2] is Standing.BAD
    assert "rolled back from by revision 3" in " ".join(judged(found)[2].facts)
    assert proposed(found) == 3


def test_evidence_follows_the_content() -> None:
    """A rollback that was replaced at once inherits the good name of what it copied."""
    found = history(
        revision(1, "a", 0),
        revision(2, "b", 60),
        revision(3, "a", 61, rollback_of=1),
        revision(4, "c", 62, S.DEPLOYED),
    )
    assert standings(found)[3] is Standing.GOOD


def test_later_good_service_outweighs_an_earlier_rollback_and_a_later_rollback_outweighs_good_service() -> None:
    redeemed = history(
        revision(1, "a", 0),
        revision(2, "b", 60),
        revision(3, "a", 61, rollback_of=1),
        revision(4, "b", 100),
        revision(5, "c", 1000, S.DEPLOYED),
    )
    assert standings(redeemed)[2] is Standing.GOOD
    fallen = history(
        revision(1, "a", 0),
        revision(2, "b", 1000),
        revision(3, "a", 1001, rollback_of=1),
        revision(4, "b", 1002, rollback_of=2),
        revision(5, "c", 1003, S.DEPLOYED),
    )
    assert standings(fallen)[1] is Standing.BAD


@pytest.mark.parametrize("status", [S.FAILED, S.PENDING_UPGRADE, S.PENDING_INSTALL])
def test_unfinished_is_bad_even_after_a_long_time(status: RevisionStatus) -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 60, status), revision(3, "c", 900, S.DEPLOYED))
    assert standings(found)[2] is Standing.BAD
    assert proposed(found) == 1


@pytest.mark.parametrize(
    "description",
    ['Upgrade "api" failed: timed out', 'Release "api" failed: x', 'Rollback "api" failed: y', "Preparing upgrade"],
)
def test_a_failed_revision_stays_bad_when_helm_calls_it_superseded(description: str) -> None:
    found = history(
        revision(1, "a", 0), revision(2, "b", 60, description=description), revision(3, "c", 900, S.DEPLOYED)
    )
    assert standings(found)[2] is Standing.BAD


def test_a_description_of_the_users_own_is_no_failure() -> None:
    found = history(
        revision(1, "a", 0), revision(2, "b", 60, description="the build that failed: retried"), revision(3, "c", 900)
    )
    assert standings(found)[2] is Standing.GOOD


def test_the_time_of_a_failed_upgrade_is_no_service_of_the_one_before() -> None:
    """A failed upgrade leaves objects half changed: what served since then is no proof of the revision before."""
    found = history(revision(1, "a", 0), revision(2, "b", 5, S.FAILED), revision(3, "c", 9000, S.DEPLOYED))
    assert standings(found)[1] is Standing.UNPROVEN


def test_a_failed_upgrade_is_left_for_the_revision_that_ran_before_it() -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 60, S.DEPLOYED), revision(3, "c", 200, S.FAILED))
    assert proposed(found) == 2


@pytest.mark.parametrize(
    "attempt",
    [
        revision(4, "a", 70, S.PENDING_ROLLBACK, rollback_of=1),
        revision(4, "a", 70, S.FAILED, description='Rollback "api" failed: conflict'),
    ],
)
def test_a_rollback_that_did_not_finish_condemns_what_it_left_and_not_what_it_wanted(attempt: Revision) -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 60), revision(3, "c", 65, S.DEPLOYED), attempt)
    current = current_of(found)
    assert current is not None
    assert current.number == 3
    assert proposed(found) == 1
    assert standings(found)[4] is Standing.BAD


def test_the_hop_of_a_repair_does_not_condemn_the_target() -> None:
    """2 hops: a stale pending record of content a, back to b, then to a."""
    found = history(
        revision(1, "a", 0),
        revision(2, "b", 60),
        revision(3, "a", 61, S.PENDING_ROLLBACK, rollback_of=1),
        revision(4, "b", 70, rollback_of=2),
        revision(5, "a", 71, rollback_of=1),
        revision(6, "c", 80, S.DEPLOYED),
    )
    assert standings(found)[1] is Standing.GOOD
    assert standings(found)[2] is Standing.BAD


def test_a_completed_run_vouches_for_its_content() -> None:
    first = revision(1, "a", 0)
    found = history(first, revision(2, "b", 5), revision(3, "c", 6, S.DEPLOYED))
    assert proposed(found, good={first.content: "run 20260101 completed with it"}) == 1


def test_a_completed_run_does_not_outlive_a_rollback_away_from_its_content() -> None:
    first = revision(1, "a", 0)
    found = history(first, revision(2, "b", 5, rollback_of=9), revision(3, "c", 6, S.DEPLOYED))
    assert proposed(found, good={first.content: "run 20260101 completed with it"}) is None


def test_after_an_uninstall_nothing_is_current() -> None:
    found = history(revision(1, "a", 0), revision(2, "b", 60), revision(3, "c", 95, S.UNINSTALLED))
    assert current_of(found) is None
    assert proposed(found) == 2


def test_times_that_are_missing_or_run_backwards_prove_nothing() -> None:
    missing = Revision(1, S.SUPERSEDED, "a")
    assert proposed(history(missing, revision(2, "b", 60, S.DEPLOYED))) is None
    assert proposed(history(revision(1, "a", 500), revision(2, "b", 60, S.DEPLOYED))) is None


def test_an_empty_history_has_no_proposal() -> None:
    assert propose(history(), judged(history())) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (1800, "30 min"), (7200, "2 h"), (172800, "2 days")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert span(seconds) == text
