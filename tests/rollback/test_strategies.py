"""Which strategy `auto` takes and why, and what `replicas` and `partition` do when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object, dig
from helm_safe.model.errors import Blocked, PersonNeeded, RunFailed, UsageError
from helm_safe.model.plan import Plan
from helm_safe.rollback import control
from helm_safe.rollback.prepare import prepare
from tests.fakes.controllers import CRASHING, GOOD, POLITE
from tests.fakes.releases import Failure
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, NAMESPACE, PODS, Shop, deployment, route, service, shop, stateful
from tests.rollback.scenes import (
    STANDBY,
    Scene,
    assert_restored,
    assert_tidy,
    assert_untouched,
    begin,
    by_name,
    ordered,
    progress_of,
    settings,
    tags,
)

Chart = Callable[[str], list[Object]]


def plan_of(made: Shop, **flags: Any) -> Plan:
    return prepare(made.world, RELEASE, 1, settings(**flags)).plan


def charted(folder: Path, chart: Chart, **options: Any) -> Shop:
    return shop(folder, "ssa", chart("1"), chart("2"), **options)


def daemon(tag: str) -> Object:
    made = deployment(tag, replicas=None)
    return {**made, "kind": "DaemonSet"}


def worker(tag: str) -> Object:
    """A Deployment with a Service, as for metrics, whose command consumes a queue."""
    made = deployment(tag)
    made["spec"]["template"]["spec"]["containers"][0]["command"] = ["celery", "-A", "shop", "worker"]
    return made


def volume(tag: str) -> Object:
    made = deployment(tag)
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    made["spec"]["template"]["spec"]["volumes"] = [claim]
    made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return made


@pytest.mark.parametrize(
    ("chart", "strategy", "why"),
    [
        (lambda tag: [deployment(tag), service(), route()], "standby", "revision 1 can prove itself"),
        (lambda tag: [deployment(tag), service()], "replicas", "the share is the ratio of its ready pods"),
        (lambda tag: [stateful(tag), service()], "partition", f"StatefulSet/{NAME} can be held"),
        (
            lambda tag: [deployment(tag), service(), stateful(tag, "db"), service("db"), route()],
            "standby",
            "revision 1",
        ),
        (lambda tag: [deployment(tag), service(), stateful(tag, "db"), service("db")], "replicas", "the ratio"),
        (lambda tag: [deployment(tag), stateful(tag, "db"), service("db")], "partition", "StatefulSet/db can be held"),
        (lambda tag: [daemon(tag), service()], "native", "a DaemonSet cannot be doubled"),
        (lambda tag: [worker(tag), service()], "native", "seems to be Celery"),
        (lambda tag: [volume(tag), service()], "native", "no second set of its pods is made"),
        (lambda tag: [deployment(tag)], "native", "no route of its namespace sends users to it"),
        (lambda tag: [stateful(tag, replicas=1), service()], "native", "a StatefulSet cannot be doubled"),
        (
            lambda tag: [stateful(tag, updateStrategy={"type": "OnDelete"}), service()],
            "native",
            "replaced by hand (OnDelete)",
        ),
    ],
    ids=str,
)
def test_auto_takes_what_fits_and_says_why(tmp_path: Path, chart: Chart, strategy: str, why: str) -> None:
    """One sentence, no more."""
    plan = plan_of(charted(tmp_path, chart))
    assert (plan.strategy, why in plan.why) == (strategy, True), plan.why
    assert "\n" not in plan.why


@pytest.mark.parametrize(
    ("chart", "strategy", "words"),
    [
        (lambda tag: [deployment(tag)], "replicas", "no Service alone leads to"),
        (lambda tag: [deployment(tag), service()], "partition", "no StatefulSet's pods change"),
        (lambda tag: [stateful(tag, replicas=0), service()], "partition", "is scaled to 0"),
        (
            lambda tag: [stateful(tag, updateStrategy={"rollingUpdate": {"partition": 2}}), service()],
            "partition",
            "its chart sets rollingUpdate.partition",
        ),
    ],
    ids=["no Service", "no StatefulSet", "no replicas", "partition in the chart"],
)
def test_what_was_asked_for_and_cannot_be_had_is_an_error(
    tmp_path: Path, chart: Chart, strategy: str, words: str
) -> None:
    """Before anything is touched, with the reason."""
    made = charted(tmp_path, chart)
    with pytest.raises(UsageError, match=words):
        begin(made, strategy=strategy)
    assert made.helm.calls == []


def test_whoever_asks_for_replicas_gets_it_beside_a_route(tmp_path: Path) -> None:
    """The route stays as it is: it leads to the Service, whatever pods are behind it."""
    made = charted(tmp_path, lambda tag: [deployment(tag, replicas=None), service(), route()])
    begin(made, strategy="replicas")
    assert_restored(made, Scene("replicas", by_name))


def test_a_worker_is_doubled_only_for_whoever_accepts_it(tmp_path: Path) -> None:
    """Asked for, what stands against a second set of pods blocks as for a standby."""
    made = charted(tmp_path, lambda tag: [worker(tag), service()])
    with pytest.raises(Blocked, match="STBY-005"):
        begin(made, strategy="replicas")


def test_the_plan_is_honest_about_shares_and_clients(tmp_path: Path) -> None:
    """Steps that cannot be had, affinity, headless names, budgets."""
    headless = service()
    headless["spec"] |= {"clusterIP": "None", "sessionAffinity": "ClientIP"}
    notes = "\n".join(plan_of(charted(tmp_path, lambda tag: [deployment(tag), headless])).notes)
    assert "10 % needs 10 pods; with 4 pods it can be 20," in notes
    assert "sessionAffinity ClientIP" in notes
    assert "is headless" in notes
    assert "a connection that stays open keeps its pod" in notes


def test_evidence_is_saved_before_a_live_pod_goes(tmp_path: Path) -> None:
    """Scale-down is how broken pods leave the Service here, so it waits for the autopsy."""
    ids = [step.id for step in plan_of(by_name(tmp_path, "ssa")).steps]
    assert ids.index("autopsy") < ids.index("shift 20")
    assert "drain" not in ids


@pytest.mark.parametrize("bad", [POLITE, CRASHING], ids=["fails users", "crashes"])
def test_a_bad_target_behind_a_name_ends_with_everything_put_back(tmp_path: Path, bad: Any) -> None:
    """Warm-up requests or pods tell before the first user meets it."""
    chart: Chart = lambda tag: [deployment(tag, replicas=None), service()]  # noqa: E731 - as the others here
    made = charted(tmp_path, chart, behaviours={"1": bad}, by_name=[NAME])
    if bad is POLITE:  # its probe's path lies, so nobody but users can tell: it comes through
        begin(made)
        return
    with pytest.raises(RunFailed) as caught:
        begin(made)
    assert "Everything is as it was; users are at the release's own pods" in caught.value.next_step
    assert_untouched(made)


def test_a_pod_of_the_standby_that_is_replaced_joins_again(tmp_path: Path) -> None:
    """Its template wears the labels that keep it out, and users need as many pods as before."""
    made = by_name(tmp_path, "ssa")
    done: list[str] = []

    def evict(_: float) -> None:
        progress = progress_of(made) if made.of_role("journal") else None
        if progress and progress.passed("shift 50") and "shift 100" in progress.begun and not done:
            done.append("evicted")
            pods = [obj for key, obj in made.cluster.objects.items() if key[1] == "Pod" and key[3].startswith(STANDBY)]
            made.controllers._remove(pods[0])

    made.clock.passing.append(evict)
    begin(made)
    assert done
    assert_tags(made)


def assert_tags(made: Shop) -> None:
    assert tags(made) == {"1"}
    assert made.controllers.behind(NAMESPACE, NAME) == [GOOD] * PODS
    assert made.of_role("standby") == []


def test_a_gate_holds_a_partition_where_it_is(tmp_path: Path) -> None:
    """The first restored pod does not come up: the others stay, nothing goes on by itself, and a person is called."""
    made = ordered(tmp_path, "ssa")
    made.controllers.behaviours["1"] = CRASHING
    with pytest.raises(PersonNeeded, match=f"held where they are \\(StatefulSet/{NAME} at partition 3\\)"):
        begin(made)
    assert dig(made.spec("StatefulSet", NAME), "updateStrategy", "rollingUpdate", "partition") == 3
    assert len(made.controllers.behind(NAMESPACE, NAME)) == PODS - 1
    made.controllers.behaviours["1"] = GOOD
    pod = next(obj for key, obj in made.cluster.objects.items() if key[1] == "Pod" and key[3] == f"{NAME}-3")
    made.controllers._remove(pod)
    control.resume(made.world, RELEASE, settings())
    assert tags(made) == {"1"}
    assert_tidy(made)


def test_a_refused_rollback_lets_the_partition_go(tmp_path: Path) -> None:
    """As it was: here an absent field."""
    made = ordered(tmp_path, "ssa")
    before = made.spec("StatefulSet", NAME)
    made.helm.failures.append(Failure.FORBIDDEN)
    with pytest.raises(RunFailed):
        begin(made)
    assert made.spec("StatefulSet", NAME) == before
    assert_tidy(made)


def test_open_connections_have_their_time_before_pods_go(tmp_path: Path) -> None:
    """Before the live pods are scaled down, and before nothing else."""
    made = by_name(tmp_path, "ssa")
    begin(made, drain_wait="45s")
    waits = [words for words in made.words() if "(drain-wait)" in words]
    assert waits == [f"waiting 45 s for open connections to Deployment/{NAME} to end (drain-wait)"]
    assert_tags(made)
