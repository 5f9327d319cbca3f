"""A run in the cluster, seen from the terminal, on fakes: what is made, what is followed, what is cleared away."""

from __future__ import annotations

from pathlib import Path

import pytest

from helm_safe.core.objects import Object, ref_of
from helm_safe.journal.secret_store import runs_of
from helm_safe.model import in_cluster
from helm_safe.model.errors import Blocked, Forbidden, OutcomeUnknown, RunFailed, Unreachable
from helm_safe.rollback import elsewhere
from tests.fakes.runs import RELEASE
from tests.fakes.shop import Shop, photographs
from tests.rollback.scenes import begin, charted, progress_of

RUNNER = f"helm-safe-runner-{RELEASE.name}"
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "x", "namespace": RELEASE.namespace},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
}
KINDS = ("Job", "ServiceAccount", "Role", "RoleBinding", "ConfigMap")


def needed(text: str = "{bake: 5m}") -> list[Object]:
    return [
        in_cluster.job(RELEASE, "example/helm-safe:1", ["run"], policy=True),
        in_cluster.account(RELEASE, in_cluster.RUNNER),
        *in_cluster.bindings(RELEASE, in_cluster.RUNNER, [ROLE]),
        in_cluster.policy_map(RELEASE, text),
    ]


def there(made: Shop) -> list[str]:
    return [kind for kind in KINDS if made.cluster.find(kind, RUNNER, RELEASE.namespace)]


def half_way(folder: Path) -> Shop:
    """The shop in the middle of a run that somebody else drives."""
    photos = (each for _, each in photographs(charted(folder, "ssa"), begin) if runs_of(each.cluster, RELEASE))
    return next(each for each in photos if "shift 10" in progress_of(each).done)


def test_leftovers_are_not_taken_for_this_run(tmp_path: Path) -> None:
    """Those of an earlier run may carry another policy or another Role: the Job must not run under them."""
    made = charted(tmp_path, "ssa")
    made.cluster.put(needed("{bake: 1s}")[-1])
    with pytest.raises(Blocked, match=rf"ConfigMap.*{RUNNER}.*of an earlier run"):
        elsewhere.launch(made.world, needed())
    assert there(made) == ["ConfigMap"]


def test_what_could_not_be_made_whole_is_cleared_away(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    made.cluster.fail("create", Forbidden("you may not create roles", status=403), kind="Role")
    with pytest.raises(Forbidden, match="create roles"):
        elsewhere.launch(made.world, needed())
    assert there(made) == []
    elsewhere.launch(made.world, needed())
    assert there(made) == list(KINDS)
    job = made.cluster.find("Job", RUNNER, RELEASE.namespace)
    assert job
    assert job["spec"]["suspend"] is False


def test_the_job_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    elsewhere.launch(made.world, needed())
    with pytest.raises(Blocked, match=r"Job.*of an earlier run"):
        elsewhere.launch(made.world, needed())
    assert there(made) == list(KINDS)


@pytest.mark.parametrize("kinds", [["Secret"], ["Secret", "Pod"]], ids="+".join)
def test_an_api_server_that_is_away_for_a_while_ends_nothing(tmp_path: Path, kinds: list[str]) -> None:
    """Later than a run has to begin, so that one that cannot be looked at is not taken for one that never began."""
    made = half_way(tmp_path)
    elsewhere.launch(made.world, needed())
    began = made.clock.monotonic()

    def trouble(_: float) -> None:
        passed = made.clock.monotonic() - began
        if passed > elsewhere.STARTS + 60:
            made.clock.passing.remove(trouble)
            made.cluster.faults.clear()
            end_it(made)
        elif passed > elsewhere.STARTS and not made.cluster.faults:
            for each in kinds:
                made.cluster.fail("list", Unreachable("no answer"), kind=each, times=-1)

    made.clock.passing.append(trouble)
    assert elsewhere.follow(made.world, RELEASE, "").progress.end == "ABORTED"


def end_it(made: Shop) -> None:
    """Whoever drives the run ends it."""
    from helm_safe.model.settings import Settings
    from helm_safe.rollback import control

    control.take_to_safety(made.world, RELEASE, Settings())


def test_a_job_that_gave_up_is_not_followed_for_ever(tmp_path: Path) -> None:
    """Its pods were lost too often: the run has no end, and nobody works on it."""
    made = half_way(tmp_path)
    elsewhere.launch(made.world, needed())
    job = made.cluster.find("Job", RUNNER, RELEASE.namespace)
    assert job
    gave_up = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "tried 5 times"}
    made.cluster.put({**job, "status": {"conditions": [gave_up]}})
    with pytest.raises(OutcomeUnknown, match="BackoffLimitExceeded") as caught:
        elsewhere.follow(made.world, RELEASE, "")
    assert "resume" in caught.value.next_step
    assert "abort" in caught.value.next_step


def test_a_run_that_never_begins_is_said(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    elsewhere.launch(made.world, needed())
    with pytest.raises(RunFailed, match="did not begin within 300 s, and its Job has no pod"):
        elsewhere.follow(made.world, RELEASE, "")
    elsewhere.clear(made.world, needed())
    assert ref_of(needed()[0]).name == RUNNER
    assert there(made) == []
