"""What a gate says and does when numbers come late, wrongly or not at all, and what a person is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.decisions import spoil
from helm_safe.model.events import Event
from helm_safe.model.traffic import NoData, Reading, Sample
from helm_safe.rollback.prepare import prepare
from tests.fakes.crowd import Monitor, Profile
from tests.fakes.runs import RELEASE, FakeReporter
from tests.fakes.trials import Act, Decision, Trial
from tests.report.test_schemas import check
from tests.rollback.scenes import assert_untouched, settings

GOOD, BAD = Profile(), Profile(errors=0.3)
TEN, HALF = "10 % of the users to the standby", "50 % of the users to the standby"
SHORT = {"steps": "10,50,100", "bake": "20s", "timeout": "200s"}
QUEUE = {"name": "queue", "query": 'depth{service="$service"}', "worse": "higher", "max": 100, "readings": 4}


def trial(folder: Path, target: Profile = GOOD, current: Profile = GOOD, **fields: Any) -> Trial:
    return Trial(folder, target, current, **{"flags": SHORT, **fields})


def with_queries(*queries: dict[str, Any], **policy: Any) -> dict[str, Any]:
    return {"gates.queries": list(queries or (QUEUE,)), **policy}


def steady(level: float = 20.0) -> Any:
    """The same depth for everybody, with a little noise that is the same in each run."""
    return lambda query, at: level + (hash((len(query), at)) % 7) / 10


def events(made: Trial) -> list[Event]:
    reporter = made.shop.world.reporter
    assert isinstance(reporter, FakeReporter)
    return reporter.events


def looks(made: Trial) -> list[dict[str, Any]]:
    """The data of all looks, those that decided included."""
    return [each.data for each in events(made) if "gates" in each.data]


# --- what is told ---


def test_each_look_carries_its_gates(tmp_path: Path) -> None:
    """Names, numbers and the time to a decision, for screens and machines; the last one is the decision's."""
    made = trial(tmp_path, policy=with_queries(), monitor=Monitor(steady()))
    assert made.run().word == "promoted"
    first, told = looks(made)[0], [each for each in looks(made) if each.get("step") == "shift 10"]
    assert first["share"] == first["wanted"] == 10
    assert {"actual", "waited", "bake", "deadline", "eta"} <= set(first)
    assert (first["bake"], first["deadline"]) == (20, 200)
    assert [each["name"] for each in first["gates"]] == ["success rate", "latency", "queue", "pods"]
    for each in first["gates"]:
        assert {"name", "value", "threshold", "samples", "needed", "verdict", "eta", "sentence"} <= set(each)
    assert [each["waited"] for each in told] == sorted(each["waited"] for each in told)
    etas = [each["eta"] for each in told if each["eta"] is not None]
    assert etas[0] > etas[-1] == 0
    assert {each["verdict"] for each in told[-1]["gates"]} == {"pass"}
    for event in events(made):
        check(event.to_json(), "event")
    assert "to go" in next(each.message for each in events(made) if each.data.get("kind") == "gate")


def test_the_plan_says_when_each_step_can_be_decided(tmp_path: Path) -> None:
    made = trial(tmp_path, rate=20.0)
    plan = prepare(made.shop.world, RELEASE, 1, settings(steps="1,10,100", strategy="standby")).plan
    note = next(each for each in plan.notes if each.startswith("until a decision"))
    assert all(f"{share} % of" in note for share in (1, 10, 50, 100))
    etas = {step.id: step.args["eta"] for step in plan.steps if step.action == "weights"}
    assert etas["shift 1"] > etas["shift 10"] > etas["shift 100"] == 8
    assert etas["return 100"] == 8


def test_without_users_the_plan_says_what_counts(tmp_path: Path) -> None:
    made = trial(tmp_path, rate=0.0)
    plan = prepare(made.shop.world, RELEASE, 1, settings(strategy="standby")).plan
    assert any("gates.no-traffic counts (warm-up)" in each for each in plan.notes)
    assert plan.step("shift 10").args["eta"] is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("target", "current", "says"),
    [
        (0.3, 0.0, "the current version 0 % of"),
        (0.3, 0.3, "of the users the target failed"),
        (0.3, 1.0, ""),
    ],
)
def test_the_last_line_says_when_a_rollback_does_not_help(
    tmp_path: Path, target: float, current: float, says: str
) -> None:
    """Worse than the current version, or as bad: said last, with both numbers. Better, and still not good: not said."""
    made = trial(tmp_path, Profile(target), Profile(current))
    found = made.run()
    assert found.word == "stopped"
    last = found.said.splitlines()[-1]
    assert (says in last and last.startswith("A rollback does not help: at 10 % of the users")) == bool(says)
    assert ("does not help" in found.said) == bool(says)
    assert_untouched(made.shop)


# --- queries of the user's own ---


def test_a_query_is_asked_for_both_services(tmp_path: Path) -> None:
    monitor = Monitor(steady())
    assert trial(tmp_path, policy=with_queries(), monitor=monitor).run().word == "promoted"
    assert set(monitor.asked) == {f'depth{{service="checkout-api{tail}"}}' for tail in ("", "-standby")}


def test_a_metric_of_its_own_stops_the_run(tmp_path: Path) -> None:
    """Requests are fine; the queue of the new pods is twice as deep."""
    depth = Monitor(lambda query, at: steady(40.0 if "standby" in query else 20.0)(query, at))
    made = trial(tmp_path, policy=with_queries(), monitor=depth, flags={**SHORT, "bake": "100s"})
    found = made.run()
    assert found.word == "stopped"
    assert found.said.splitlines()[-1].startswith("A rollback does not help: at 10 % of the users queue is 40")


def test_at_100_percent_the_last_line_remembers_the_current_version(tmp_path: Path) -> None:
    found = trial(tmp_path, acts=(("100 % of the users to the", 5.0, spoil),)).run()
    last = found.said.splitlines()[-1]
    assert found.word == "stopped"
    assert last.startswith("A rollback does not help: at 100 % of the users the target failed ")
    assert "the current version 0 % of " in last


@pytest.mark.parametrize("error", ["there is no metric depht", "credentials are refused"])
def test_a_query_without_an_answer_blocks_the_plan(tmp_path: Path, error: str) -> None:
    """Tried once, before anything is touched: with its name, the provider, and what was said."""

    def refuse(*_: object) -> float:
        raise NoData(error, "Set the token.")

    made = trial(tmp_path, policy=with_queries({**QUEUE, "provider": "datadog"}), monitor=Monitor(refuse))
    found = made.run()
    assert found.word == "blocked"
    assert "GATE-002" in found.said
    assert made.shop.helm.calls == []
    accepted = trial(
        tmp_path,
        policy=with_queries({**QUEUE, "provider": "datadog"}),
        monitor=Monitor(refuse),
        accept={"GATE-002": "nobody looks at it"},
    )
    assert accepted.run().word == "promoted"
    assert any("without queue, as accepted" in each for each in accepted.shop.words())


def test_a_series_that_is_empty_at_plan_blocks(tmp_path: Path) -> None:
    class Empty(Monitor):
        def series(self, *_: Any) -> list[Reading]:
            return []

    assert trial(tmp_path, policy=with_queries(), monitor=Empty(steady())).run().word == "blocked"


@pytest.mark.parametrize("skew", [-90.0, 90.0])
def test_clocks_that_differ_only_cost_time(tmp_path: Path, skew: float) -> None:
    """The monitoring system's clock goes before or after: no reading of before the step counts, and it is decided."""
    began: list[float] = []

    def begin(each: Trial) -> None:
        began.append(each.shop.clock.now().timestamp())

    depth = Monitor(lambda query, at: 20.0 if began and at >= began[0] else 900.0, skew=skew)
    made = trial(tmp_path, policy=with_queries(), monitor=depth, acts=((TEN, 0.0, begin),))
    assert made.run().word == "promoted"


def test_readings_that_come_late_belong_to_where_they_were_taken(tmp_path: Path) -> None:
    """A system two minutes behind: what it tells at first is of before the step, and is not taken for the target's."""
    made = trial(
        tmp_path, flags={**SHORT, "timeout": "400s"}, policy=with_queries(), monitor=Monitor(steady(), lag=120)
    )
    assert made.run().word == "promoted"
    assert all(each["waited"] > 120 for each in looks(made) if each["gates"][2]["samples"])


def test_a_series_that_ends_passes_nobody(tmp_path: Path) -> None:
    """The metric was there, and then it is not told any more: old readings do not pass the next steps."""
    made = trial(tmp_path, policy=with_queries())
    monitor = made.monitor = Monitor(steady())

    def end(_: Trial) -> None:
        monitor.lag = 1e9

    made.shop.clock.passing.append(made._when(HALF, 1.0, end))
    assert made.run().word == "inconclusive"


# --- the gateway's numbers ---


def counters(act: Act, **fields: Any) -> dict[str, Any]:
    return {"acts": ((HALF, 8.0, act),), **fields}


def test_a_provider_that_dies_stops_the_run_in_the_end(tmp_path: Path) -> None:
    """Users are safe, the release untouched; that nobody could see is said."""
    made = trial(tmp_path, **counters(lambda each: setattr(each.crowd, "mute", True)))
    found = made.run()
    assert found.word == "inconclusive"
    assert "no data is never a pass" in found.said
    assert_untouched(made.shop)


def test_a_provider_that_comes_back_is_believed_again(tmp_path: Path) -> None:
    acts = tuple(
        (HALF, at, lambda each, mute=mute: setattr(each.crowd, "mute", mute)) for at, mute in ((8, True), (90, False))
    )
    assert trial(tmp_path, acts=acts).run().word == "promoted"


def test_a_dead_scrape_is_no_quiet_hour(tmp_path: Path) -> None:
    """The counters stand still while users come: warm-up requests must not decide in their place."""
    made = trial(tmp_path, **counters(lambda each: setattr(each.crowd, "frozen", {})))
    assert made.run().word == "inconclusive"
    assert any("stand still" in each for each in made.shop.words())


def test_numbers_that_are_none_pass_nobody(tmp_path: Path) -> None:
    def spoil(each: Trial) -> None:
        each.crowd.errors = dict.fromkeys(each.crowd.requests, float("nan"))

    made = trial(tmp_path, **counters(spoil))
    assert made.run().word == "inconclusive"
    assert any("no number" in each for each in made.shop.words())


@pytest.mark.parametrize(("target", "word"), [(Profile(0.003), "promoted"), (Profile(0.1), "stopped")])
def test_a_gateway_that_restarts_loses_nothing(tmp_path: Path, target: Profile, word: str) -> None:
    """Requests count from zero again: neither are errors held against fewer requests, nor are they forgotten."""
    acts = tuple((TEN, float(at), lambda each: each.crowd.restart()) for at in (6, 10, 14))
    assert trial(tmp_path, target, Profile(0.003), acts=acts, rate=400.0).run().word == word


def test_a_keeper_that_looks_every_half_minute(tmp_path: Path) -> None:
    """Its numbers are those of its last scrape: a sample of before the step is no base, and waiting is no standstill."""
    made = trial(tmp_path, flags={**SHORT, "bake": "60s"}, policy={"metrics.url": "https://prometheus.example"})
    fresh, kept = made.crowd.sample, {}

    def scraped(backends: Any, ago: float = 0.0) -> Any:
        now = made.shop.controllers.passed
        if not kept or now - kept["at"] >= 30:
            kept.update(at=now, found=fresh(backends))
        return {
            each: replace(kept["found"].get(each, Sample(0, kept["found"][backends[0]].sources)), at=kept["at"])
            for each in backends
        }

    made.shop.clock.passing.append(made._when("run ", 0.0, lambda each: setattr(each.crowd, "sample", scraped)))
    assert made.run().word == "promoted"
    assert not any("stand still" in each for each in made.shop.words())


# --- nobody comes ---


def nobody(folder: Path, chosen: str, **fields: Any) -> tuple[Decision, Trial]:
    made = trial(folder, rate=0.0, policy={"gates.no-traffic": chosen}, **fields)
    return made.run(), made


def test_ask_waits_for_a_person_beyond_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so once, keeps looking, and goes on when somebody promotes."""
    monkeypatch.setattr("helm_safe.journal.lease.HOLDS", 1.0)
    acts = tuple((f"{share} % of the users to the", 300.0, lambda each: each.ask("promote")) for share in (10, 50, 100))
    again = tuple(
        (f"{share} % of the users to the restored", 300.0, lambda each: each.ask("promote")) for share in (10, 50, 100)
    )
    found, made = nobody(tmp_path, "ask", acts=(*acts, *again))
    assert found.word == "promoted"
    asked = [each for each in made.shop.words() if "a person decides" in each]
    assert len(asked) == 6
    waits = [each.data for each in events(made) if each.data.get("kind") == "waiting"]
    assert [each["waits"] for each in waits][:3] == ["shift 10", "shift 50", "shift 100"]
    assert (len(waits), waits[0]["for"]) == (6, "the gate at 10 % is passed without enough requests")
    assert "`helm safe-rollback promote checkout-api -n prod` goes on" in asked[0]


def test_what_turns_bad_while_a_person_is_asked_stops(tmp_path: Path) -> None:
    def come(each: Trial) -> None:
        each.crowd.rate = 100.0

    found, made = nobody(tmp_path, "ask", target=BAD, acts=((TEN, 400.0, come),))
    assert found.word == "stopped"
    assert_untouched(made.shop)
