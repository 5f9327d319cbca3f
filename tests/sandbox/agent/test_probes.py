"""The kubelet's rules about probe results, one by one."""

from __future__ import annotations

import pytest

from helm_safe.sandbox.agent.probes import Kind, Outcome, ProbeSpec, Tracker, probe_specs

GOOD, BAD, NONE = Outcome.SUCCESS, Outcome.FAILURE, Outcome.ERROR


def tracker(kind=Kind.READINESS, **numbers):
    return Tracker(ProbeSpec(kind, "httpGet", {}, **numbers))


def test_defaults_are_the_apis():
    found = probe_specs({"readinessProbe": {"httpGet": {"port": 80}}})[Kind.READINESS]
    assert (found.initial_delay, found.period, found.timeout) == (0, 10, 1)
    assert (found.success_threshold, found.failure_threshold) == (1, 3)


@pytest.mark.parametrize("broken", [None, [], {"exec": None, "periodSeconds": "x"}, {"unknown": {}}, "text"])
def test_odd_shapes_are_survived(broken):
    found = probe_specs({"livenessProbe": broken})
    assert all(spec.period == 10 for spec in found.values())


def test_failures_count_only_in_a_row():
    probe = tracker(failure_threshold=3)
    verdicts = [probe.record(each) for each in (BAD, BAD, GOOD, BAD, BAD, BAD)]
    assert verdicts == [None, None, True, None, None, False]


def test_successes_count_only_in_a_row():
    probe = tracker(success_threshold=2)
    assert [probe.record(each) for each in (GOOD, BAD, GOOD, GOOD)] == [None, None, None, True]


def test_a_probe_that_cannot_be_carried_out_counts_for_nothing():
    probe = tracker(failure_threshold=2)
    assert [probe.record(each) for each in (BAD, NONE, BAD)] == [None, None, False]


def test_readiness_keeps_its_verdict_until_a_threshold_is_reached():
    probe = tracker()
    probe.record(GOOD)
    probe.record(BAD)
    assert probe.result is True


@pytest.mark.parametrize(("age", "due"), [(4.9, False), (5.0, True)])
def test_the_initial_delay_counts_whole_seconds(age, due):
    assert tracker(initial_delay=5).due(age=age, started=True, ending=False) is due


@pytest.mark.parametrize("kind", Kind)
def test_a_startup_probe_gates_the_others_and_rests_when_it_has_succeeded(kind):
    assert tracker(kind).due(age=1, started=False, ending=False) is (kind is Kind.STARTUP)
    assert tracker(kind).due(age=1, started=True, ending=False) is (kind is not Kind.STARTUP)


@pytest.mark.parametrize("kind", [Kind.STARTUP, Kind.LIVENESS])
def test_an_ending_pod_is_asked_for_readiness_only(kind):
    assert not tracker(kind).due(age=1, started=kind is Kind.LIVENESS, ending=True)
    assert tracker(Kind.READINESS).due(age=1, started=True, ending=True)


@pytest.mark.parametrize("kind", [Kind.STARTUP, Kind.LIVENESS])
def test_after_the_fatal_failure_there_is_silence_until_a_new_container(kind):
    probe = tracker(kind, failure_threshold=1)
    probe.record(BAD)
    started = kind is Kind.LIVENESS
    assert not probe.due(age=1, started=started, ending=False)
    probe.new_container()
    assert probe.due(age=1, started=started, ending=False)
    assert probe.result is None
