"""Whole staged runs on fakes: every strategy with both Helms, what stops a run, and who may interfere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import ObjectRef
from helm_safe.journal.lease import leave_request
from helm_safe.model.errors import Blocked, HelmSafeError, NotFound, PersonNeeded, RunFailed
from helm_safe.model.plan import EndState
from helm_safe.model.policy import Resolved
from helm_safe.model.resources import DEPLOYMENTS
from helm_safe.model.traffic import Backend
from helm_safe.rollback import control
from helm_safe.rollback.gauge import Gauge
from helm_safe.rollback.isolation import isolate
from helm_safe.rollback.prepare import prepare
from helm_safe.rollback.traffic import SETTLE
from tests.fakes.cluster import SERVED
from tests.fakes.controllers import CRASHING, DEAD, FAILING, GOOD, POLITE, Behaviour
from tests.fakes.releases import Failure
from tests.fakes.runs import RELEASE, NoMetrics
from tests.fakes.shop import NAME, NAMESPACE, PODS, Shop, autoscaler, config, deployment, route, service, shop
from tests.rollback.scenes import (
    MODES,
    SCENES,
    STABLE,
    STANDBY,
    WORKER,
    Scene,
    assert_restored,
    assert_tidy,
    assert_unhurt,
    assert_untouched,
    begin,
    charted,
    known_good,
    progress_of,
    settings,
    tags,
)

PLAIN = Scene("standby", charted)
ROUTE = ObjectRef("gateway.networking.k8s.io", "HTTPRoute", NAMESPACE, NAME)


def when(made: Shop, words: str, act: Callable[[], object]) -> None:
    """Do something once, in the first moment that passes after the run said these words."""
    waiting = [act]

    def look(_: float) -> None:
        if waiting and any(words in said for said in made.words()):
            waiting.pop()()

    made.clock.passing.append(look)


def simple(folder: Path, mode: str = "ssa", **behaviours: Behaviour) -> Shop:
    """The charted scene with other pods: one, two are those of the two revisions."""
    known = {"1": behaviours.get("one", GOOD), "2": behaviours.get("two", FAILING)}
    chart = [service(), route()]
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, *chart], [two, *chart], beside=[autoscaler()], behaviours=known)


def failures_from_now_on(made: Shop) -> float:
    before = made.gateway.failed
    made.clock.sleep(60)
    return made.gateway.failed - before


def let_pass(made: Shop, seconds: int) -> None:
    for _ in range(seconds):
        made.clock.sleep(1)


# --- whole runs ---


@pytest.mark.parametrize("interval", [15.0, 60.0])
def test_numbers_that_lag_are_waited_for(tmp_path: Path, interval: float) -> None:
    """A Prometheus looks now and then: a step begins to count with the first look after its weights were written."""
    made = PLAIN.build(tmp_path, "ssa")
    made.gateway.interval = interval
    let_pass(made, 130)
    begin(made, timeout="900s")
    assert_restored(made, PLAIN)
    gates = [each for step, each in progress_of(made).done.items() if "waited" in each]
    assert gates
    assert all(each["waited"] > interval for each in gates)
    assert all(abs(each["actual"] - each["wanted"]) < 2 for each in gates), "windows began before the weights moved"


def test_a_plan_sees_the_past_where_it_is_kept(tmp_path: Path) -> None:
    """Two looks in a row would meet the same numbers, and tell a service without users."""
    made = PLAIN.build(tmp_path, "ssa")
    made.gateway.interval = 15.0
    let_pass(made, 130)
    gauge = Gauge(made.world, NAMESPACE, [NAME], settings())
    gauge.close()
    assert gauge.blind == ""
    assert gauge.rate([NAME]) == pytest.approx(made.gateway.rate, rel=0.01)


def test_numbers_that_stand_still_are_no_reason_to_call_a_plan_blind(tmp_path: Path) -> None:
    made = PLAIN.build(tmp_path, "ssa")
    made.gateway.interval = 1000.0
    gauge = Gauge(made.world, NAMESPACE, [NAME], settings())
    gauge.close()
    assert (gauge.blind, gauge.windows) == ("", {})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCENES)
def test_a_run_ends_the_users_trouble(tmp_path: Path, name: str, mode: str) -> None:
    """Everything is restored, and from the last step of SHIFT on no request fails any more."""
    made = SCENES[name].make(tmp_path, mode)
    seen: list[float] = []
    when(made, "100 % wanted, 100.0 % actual", lambda: seen.append(made.gateway.failed))
    SCENES[name].begin(made)
    assert_restored(made, SCENES[name])
    assert progress_of(made).plan.strategy == SCENES[name].strategy  # type: ignore[union-attr]
    assert failures_from_now_on(made) == 0
    if SCENES[name].strategy in ("standby", "shift"):
        assert made.gateway.failed == seen[0]


@pytest.mark.parametrize("steps", ["100", "1,100", "5,20,60,100"])
def test_steps_are_the_users_to_choose(tmp_path: Path, steps: str) -> None:
    """Each step is held, in this order, and none else."""
    made = simple(tmp_path)
    begin(made, steps=steps)
    assert_restored(made, PLAIN)
    done = [name.removeprefix("shift ") for name in progress_of(made).done if name.startswith("shift ")]
    assert ",".join(done) == steps


@pytest.mark.parametrize("mode", MODES)
def test_a_change_of_configuration_alone(tmp_path: Path, mode: str) -> None:
    """The image is the same, a ConfigMap broke it: the standby reads a copy, the restored pods are new ones."""
    chart = [deployment("1", config="settings"), service(), route()]
    known = {"broken": FAILING}
    made = shop(tmp_path, mode, [*chart, config("fine")], [*chart, config("broken")], behaviours=known)
    made.controllers.evict(NAME)  # the pods that are there still know the file of before
    made.clock.sleep(10)
    made.gateway.stranded = 0.0
    assert failures_from_now_on(made) > 0
    begin(made)
    assert_restored(made, PLAIN)
    assert failures_from_now_on(made) == 0
    assert not made.cluster.find("ConfigMap", "settings-standby", NAMESPACE)


@pytest.mark.parametrize("mode", MODES)
def test_workloads_that_no_route_reaches(tmp_path: Path, mode: str) -> None:
    """The worker follows with the native rollback; what does not change keeps its pods."""
    same = [service(), route(), deployment("1", "static", replicas=2)]
    one = [deployment("1"), deployment("1", WORKER), *same]
    two = [deployment("2"), deployment("2", WORKER), *same]
    made = shop(tmp_path, mode, one, two)
    before = pods_of(made, "static")
    begin(made)
    assert_restored(made, PLAIN)
    assert tags(made, WORKER) == {"1"}
    assert pods_of(made, "static") == before


def pods_of(made: Shop, app: str) -> set[str]:
    return {key[3] for key in made.cluster.objects if key[1] == "Pod" and key[3].startswith(app)}


@pytest.mark.parametrize("mode", MODES)
def test_two_routes_move_together(tmp_path: Path, mode: str) -> None:
    """One in the chart, one of somebody else with another backend: at each gate both give the same share."""
    chart = [service(), route()]
    beside = [route("shop", (NAME, 1), ("other", 3)), service("other"), deployment("1", "other", replicas=1)]
    made = shop(tmp_path, mode, [deployment("1"), *chart], [deployment("2"), *chart], beside=beside)
    seen = []

    def look(_: float) -> None:
        own, others = made.weights(), made.weights("shop")
        if STANDBY in own and STANDBY in others:
            seen.append((own[STANDBY] / sum(own.values()), others[STANDBY] / (others[STANDBY] + others[NAME])))
            assert others["other"] / sum(others.values()) == 0.75

    made.clock.passing.append(look)
    begin(made)
    assert_restored(made, PLAIN)
    assert {own for own, _ in seen} == {0.0, 0.1, 0.5, 0.9, 1.0}
    assert all(own == pytest.approx(others) for own, others in seen)


@pytest.mark.parametrize("mode", MODES)
def test_the_autoscaler_is_held_while_users_are_elsewhere(tmp_path: Path, mode: str) -> None:
    """It would shrink what has no users to two pods; the users come back to four."""
    made = simple(tmp_path, mode)
    seen = []
    when(made, "10 % of the users to the restored pods", lambda: seen.append(made.spec("Deployment", NAME)["replicas"]))
    begin(made)
    assert seen == [PODS]
    assert_restored(made, PLAIN)


@pytest.mark.parametrize("mode", MODES)
def test_pods_that_start_while_helm_is_still_busy_are_the_restored_ones(tmp_path: Path, mode: str) -> None:
    """The manifest states its replicas, and a hook keeps Helm busy after it wrote them."""
    chart = [service(), route()]
    made = shop(tmp_path, mode, [deployment("1"), *chart], [deployment("2"), *chart])
    native = made.world.releases.rollback

    def slow(*words: Any, **how: Any) -> Any:
        result = native(*words, **how)
        let_pass(made, 30)
        return result

    made.world.releases.rollback = slow  # type: ignore[method-assign]
    run = begin(made)
    assert "warm-up requests answered by 4 pods" in run.progress.done["warm"]["message"]


def test_restored_pods_start_when_the_gateways_follow_again(tmp_path: Path) -> None:
    """Helm writes the live Service into the route; until the gateways left it again, a new pod would be met cold."""
    made = simple(tmp_path, "ssa")
    waited = []

    def look(seconds: float) -> None:
        words = made.words()
        if "native helm rollback to revision 1" in words and words[-1].startswith("weights: "):
            waited.append((seconds, made.spec("Deployment", NAME)["replicas"]))

    made.clock.passing.append(look)
    begin(made)
    assert sum(seconds for seconds, replicas in waited if replicas == 0) >= SETTLE
    assert made.spec("Deployment", NAME)["replicas"] == PODS


# --- what stops a run ---


def test_both_versions_bad(tmp_path: Path) -> None:
    """A rollback would not help: said with few users on the standby, and everything is put back."""
    made = simple(tmp_path, one=POLITE)
    with pytest.raises(RunFailed, match="a rollback does not help"):
        begin(made)
    assert_untouched(made)
    assert "shift 50" not in progress_of(made).done


def test_a_target_that_is_worse(tmp_path: Path) -> None:
    """The current version is fine: the first step stops it, and the numbers are told."""
    made = simple(tmp_path, one=POLITE, two=GOOD)
    before, asked = made.gateway.failed, sum(made.gateway.requests.values())
    with pytest.raises(RunFailed, match=r"40 % of \d+ requests failed"):
        begin(made)
    assert_untouched(made)
    assert 0 < made.gateway.failed - before < 0.05 * (sum(made.gateway.requests.values()) - asked)


@pytest.mark.parametrize(
    ("one", "words"),
    [(DEAD, "was not up in time"), (CRASHING, "CrashLoopBackOff"), (FAILING, "is not warm")],
)
def test_a_standby_that_does_not_come_up(tmp_path: Path, one: Behaviour, words: str) -> None:
    """No user ever meets it."""
    made = simple(tmp_path, one=one)
    with pytest.raises(RunFailed, match=words):
        begin(made)
    assert_untouched(made)
    assert not any(backend.name == STANDBY for backend in made.gateway.requests)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["standby-charted", "standby-differing", "shift"])
def test_restored_pods_that_fail(tmp_path: Path, name: str, mode: str) -> None:
    """In RETURN everybody goes back to proven pods, a person is needed, and `resume` completes once it is mended."""
    made = SCENES[name].build(tmp_path, mode)
    when(made, "10 % of the users to the restored pods", lambda: fail_restored(made, POLITE))
    with pytest.raises(PersonNeeded, match="has proved itself"):
        begin(made)
    safe = STANDBY if name.startswith("standby") else STABLE
    assert made.weights()[NAME] == 0
    assert made.weights()[safe] > 0
    assert failures_from_now_on(made) == 0
    assert_unhurt(made)
    fail_restored(made, GOOD)
    control.resume(made.world, RELEASE, settings())
    assert_restored(made, SCENES[name])


def fail_restored(made: Shop, behaviour: Behaviour) -> None:
    """Let the release's own pods, and not those of the standby, behave like this."""
    for name, (_, born) in list(made.controllers._pods.items()):
        if name.startswith(f"{NAME}-") and not name.startswith((STANDBY, STABLE)):
            made.controllers._pods[name] = (behaviour, born)


def test_without_numbers_nothing_passes(tmp_path: Path) -> None:
    """No data is never a pass; who accepts that goes without."""
    made = simple(tmp_path)
    made.world = replace(made.world, metrics=blind)
    with pytest.raises(Blocked, match="GATE-001"):
        begin(made)
    assert made.helm.calls == []
    accepted = replace(settings(), accept={"GATE-001": "the gateway has no metrics"})
    control.start(made.world, RELEASE, 1, accepted, show=lambda _: None, confirm=lambda _: True)
    assert_restored(made, PLAIN)


def blind(_: Resolved) -> Any:
    return NoMetrics()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["standby-charted", "standby-differing", "standby-foreign", "shift"])
def test_a_native_rollback_that_fails_is_tried_again(tmp_path: Path, name: str, mode: str) -> None:
    """Users stay on proven pods; `resume` does it whole, though Helm took the failed record for the truth."""
    made = SCENES[name].build(tmp_path, mode)
    made.helm.failures.append(Failure.UPDATE)
    with pytest.raises(PersonNeeded, match="helm left revision 3 as failed"):
        begin(made)
    assert failures_from_now_on(made) == 0
    made.helm.killed = 1
    control.resume(made.world, RELEASE, settings())
    assert_restored(made, SCENES[name])


def test_an_upgrade_after_a_failed_rollback_is_not_undone(tmp_path: Path) -> None:
    """A person went another way: `resume` does not roll that back unseen."""
    made = simple(tmp_path)
    made.helm.failures.append(Failure.UPDATE)
    with pytest.raises(PersonNeeded):
        begin(made)
    made.helm.deploy(RELEASE, deployment("3", replicas=None), service(), route())
    with pytest.raises(Blocked, match=r"revision 4 .* appeared"):
        control.resume(made.world, RELEASE, settings())
    assert len(made.helm.calls) == 1


# --- requests of other processes ---


def ask(made: Shop, verb: str) -> Callable[[], None]:
    return lambda: leave_request(made.cluster, RELEASE, verb)


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed, and requests read, every second; the thread that does it otherwise knows no fake clock."""
    monkeypatch.setattr("helm_safe.journal.lease.HOLDS", 1.0)


@pytest.mark.usefixtures("attentive")
def test_a_request_that_ends_late_does_not_hold_up_a_step(tmp_path: Path) -> None:
    """Gateways count a request when it ends: one of the old weights' may come long after all users were moved."""
    made, late = charted(tmp_path, MODES[0]), []

    def straggler(seconds: float) -> None:
        weights = made.weights()
        if weights.get(STANDBY) == 100 and len(late) < 3:
            late.append(seconds)
            made.gateway.requests[Backend(NAMESPACE, NAME)] += 1.0

    made.clock.passing.append(straggler)
    run = begin(made)
    assert len(late) == 3
    assert run.progress.done["shift 100"]["waited"] < 30
    assert_restored(made, PLAIN)


def test_a_pause_holds_until_resume(tmp_path: Path) -> None:
    """Traffic stays where it is for as long as it takes."""
    made = simple(tmp_path)
    held: list[dict[str, int]] = []
    when(made, "50 % of the users to the standby", ask(made, "pause"))
    at: list[float] = []

    def later(_: float) -> None:
        at.append(made.clock.passed) if "50 % of the users to the standby" in made.words() and not at else None
        if at and at[0] + 100 <= made.clock.passed and not held:
            held.append(made.weights())
            ask(made, "resume")()

    made.clock.passing.append(later)
    begin(made)
    assert held == [{NAME: 50, STANDBY: 50}]
    assert_restored(made, PLAIN)


@pytest.mark.usefixtures("attentive")
def test_promote_ends_a_step_early(tmp_path: Path) -> None:
    """A person has seen enough; the next step is held again."""
    made = simple(tmp_path, two=GOOD)
    when(made, "10 % of the users to the standby", ask(made, "promote"))
    begin(made, bake="200s")
    done = progress_of(made).done
    assert "promoted by a person" in done["shift 10"]["message"]
    assert "promoted" not in done["shift 100"]["message"]
    assert_restored(made, PLAIN)


@pytest.mark.usefixtures("attentive")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "words", ["bring up revision 1", "10 % of the users to the standby", "100 % of the users to the standby"]
)
def test_abort_before_commit(tmp_path: Path, mode: str, words: str) -> None:
    """The running process puts everything back: a success of `abort`, and exit 1 of the run that did not roll back."""
    made = simple(tmp_path, mode)
    when(made, words, ask(made, "abort"))
    with pytest.raises(RunFailed, match="was aborted"):
        begin(made)
    assert progress_of(made).end == EndState.ABORTED.value
    assert_untouched(made)


@pytest.mark.usefixtures("attentive")
def test_abort_of_a_shift_keeps_the_isolation(tmp_path: Path) -> None:
    """Users stay with the known-good backend, also when the broken workload was at 0 already."""
    made = known_good(tmp_path, "ssa")
    when(made, f"scale Deployment/{NAME} to 0", ask(made, "abort"))
    with pytest.raises(RunFailed, match="was aborted"):
        begin(made)
    assert progress_of(made).end == EndState.ABORTED.value
    assert made.weights() == {NAME: 0, STABLE: 100}
    assert_untouched(made)
    control.undo_isolation(made.world, RELEASE, settings())
    assert made.spec("HTTPRoute", NAME) == made.original("HTTPRoute", NAME)
    assert_tidy(made)


# --- another writer at the routes ---


def edit_weight(rules: list[dict[str, Any]]) -> None:
    rules[0]["backendRefs"][0]["weight"] = 77


def edit_match(rules: list[dict[str, Any]]) -> None:
    rules[0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/v2"}}]


def edit_more(rules: list[dict[str, Any]]) -> None:
    rules.append({"matches": [{"path": {"type": "Exact", "value": "/new"}}], "backendRefs": [{"name": NAME}]})


EDITS = (edit_weight, edit_match, edit_more)


def edit(made: Shop, change: Callable[[list[dict[str, Any]]], None]) -> dict[str, Any]:
    """kubectl edit, by somebody else."""
    found = made.cluster.find("HTTPRoute", NAME, NAMESPACE)
    assert found
    change(found["spec"]["rules"])
    resource = SERVED.of(found)
    assert resource
    patch = {"spec": {"rules": found["spec"]["rules"]}}
    return dict(made.cluster.patch(resource, ROUTE, patch, manager="kubectl-edit")["spec"])


@pytest.mark.parametrize("change", EDITS)
@pytest.mark.parametrize("share", [10, 50, 100])
def test_an_edit_during_shift_is_named_and_kept(tmp_path: Path, share: int, change: Callable[..., None]) -> None:
    """The run stops, says who wrote, and leaves the route and all that it refers to alone."""
    made = simple(tmp_path)
    edited: list[dict[str, Any]] = []
    when(made, f"{share} % of the users to the standby", lambda: edited.append(edit(made, change)))
    with pytest.raises(PersonNeeded, match="somebody else changed HTTPRoute/checkout-api") as caught:
        begin(made)
    assert "kubectl-edit" in caught.value.message
    assert made.spec("HTTPRoute", NAME) == edited[0]
    assert made.helm.calls == []
    assert f"Deployment/{STANDBY}" in made.of_role("standby")
    assert made.spec("HorizontalPodAutoscaler", NAME) == made.original("HorizontalPodAutoscaler", NAME)


@pytest.mark.parametrize("change", EDITS)
@pytest.mark.parametrize("mode", MODES)
def test_an_edit_during_return_is_named_and_kept(tmp_path: Path, mode: str, change: Callable[..., None]) -> None:
    made = simple(tmp_path, mode)
    edited: list[dict[str, Any]] = []
    when(made, "50 % of the users to the restored pods", lambda: edited.append(edit(made, change)))
    with pytest.raises(PersonNeeded, match="somebody else changed") as caught:
        begin(made)
    assert "kubectl-edit" in caught.value.message
    assert made.spec("HTTPRoute", NAME) == edited[0]
    assert f"Deployment/{STANDBY}" in made.of_role("standby")


def test_a_deleted_route_stops_the_run(tmp_path: Path) -> None:
    """It is told, and not made anew."""
    made = simple(tmp_path)
    key = ("gateway.networking.k8s.io", "HTTPRoute", NAMESPACE, NAME)
    when(made, "50 % of the users to the standby", lambda: made.cluster.objects.pop(key))
    with pytest.raises(HelmSafeError, match="is gone: somebody deleted it"):
        begin(made)
    assert made.spec("HTTPRoute", NAME) is None


@pytest.mark.usefixtures("attentive")
def test_an_abort_never_strands_users(tmp_path: Path) -> None:
    """Somebody scales the current workload to 0 while users are on the standby: there they stay, and he is told."""
    made = simple(tmp_path)

    def scale() -> None:
        ref = ObjectRef("apps", "Deployment", NAMESPACE, NAME)
        made.cluster.patch(DEPLOYMENTS, ref, {"spec": {"replicas": 0}}, manager="kubectl", subresource="scale")
        ask(made, "abort")()

    when(made, "100 % of the users to the standby", scale)
    with pytest.raises(PersonNeeded, match="Service/checkout-api has 0 ready pods"):
        begin(made)
    assert made.weights() == {NAME: 0, STANDBY: 100}
    assert made.gateway.stranded == 0
    assert made.cluster.hurt == []


@pytest.mark.parametrize(("image", "strategy"), [("shop/checkout-api:0", "shift"), ("shop/back-soon:1", "standby")])
def test_a_page_that_answers_well_is_no_known_good_backend(tmp_path: Path, image: str, strategy: str) -> None:
    """What runs other software is taken for a backend only where a person names it."""
    made = known_good(tmp_path, "csa")
    for key, obj in made.cluster.objects.items():
        if key[1] == "Pod" and STABLE in key[3]:
            obj["spec"]["containers"][0]["image"] = image
    assert prepare(made.world, RELEASE, 1, settings()).plan.strategy == strategy


def test_pods_that_were_just_scaled_away(tmp_path: Path) -> None:
    """The controller still counts them as ready: nobody is served all the same, and the count of before is wanted."""
    made = simple(tmp_path)
    live = made.cluster.find("Deployment", NAME, NAMESPACE)
    assert live
    assert live["status"]["readyReplicas"] == PODS
    key = ("apps", "Deployment", NAMESPACE, NAME)
    made.cluster.objects[key]["spec"]["replicas"] = 0
    plan = prepare(made.world, RELEASE, 1, settings()).plan
    assert plan.strategy == "express"
    assert plan.why == f"Deployment/{NAME} is scaled to 0: steps would protect nobody"
    assert plan.settings["staging"]["staged"][0]["replicas"] > 0


@pytest.mark.usefixtures("attentive")
def test_what_another_writer_left_can_be_cleared_away_later(tmp_path: Path) -> None:
    """His edit kept the standby in the route, so it had to stay; once the route is mended `abort` removes it."""
    made = simple(tmp_path)
    original = made.spec("HTTPRoute", NAME)
    when(made, "50 % of the users to the standby", lambda: edit(made, edit_weight))
    with pytest.raises(PersonNeeded, match="could not put everything back"):
        begin(made)
    with pytest.raises(Blocked, match="unfinished"):
        begin(made)
    live = made.cluster.find("HTTPRoute", NAME, NAMESPACE)
    assert live
    made.cluster.put({**live, "spec": original})
    assert control.abort(made.world, RELEASE, settings()) is EndState.ABORTED
    assert_untouched(made)


def test_an_isolation_that_somebody_ended_is_forgotten(tmp_path: Path) -> None:
    """Its originals are not those of today's route, and nobody is isolated any more."""
    made = known_good(tmp_path, "csa")
    original = made.spec("HTTPRoute", NAME)
    isolate(made.world, RELEASE, "", settings(), lambda _: True)
    assert prepare(made.world, RELEASE, 1, settings()).plan.settings["isolated"]
    live = made.cluster.find("HTTPRoute", NAME, NAMESPACE)
    assert live
    made.cluster.put({**live, "spec": original})
    assert not prepare(made.world, RELEASE, 1, settings()).plan.settings["isolated"]
    with pytest.raises(NotFound, match="no isolation"):
        control.undo_isolation(made.world, RELEASE, settings())
