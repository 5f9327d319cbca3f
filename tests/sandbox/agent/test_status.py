"""Phase and conditions from the containers' states."""

from __future__ import annotations

import pytest

from helm_safe.sandbox.agent.podspec import container_specs
from helm_safe.sandbox.agent.status import Contained, Facts, pod_status

WAITING, RUNNING = {"waiting": {"reason": "ContainerCreating"}}, {"running": {}}


def ended(code):
    return {"terminated": {"exitCode": code}}


def status(*states, policy="Always", ending=False, before=None, lasts=()):
    pod = {"metadata": {"generation": 3}, "spec": {"restartPolicy": policy}}
    pod["spec"]["containers"] = [{"name": f"c{index}"} for index in range(len(states))]
    facts = Facts("start", "now", "10.0.0.1", "10.8.0.1", network=True, ending=ending)
    contained = [
        Contained(spec, {"state": state, "ready": state is RUNNING, "lastState": last})
        for spec, state, last in zip(container_specs(pod), states, lasts or [{}] * len(states), strict=True)
    ]
    return pod_status(pod, facts, contained, before or {})


@pytest.mark.parametrize(
    ("states", "policy", "phase"),
    [
        ([WAITING], "Always", "Pending"),
        ([RUNNING], "Always", "Running"),
        ([RUNNING, WAITING], "Always", "Pending"),
        ([RUNNING, ended(1)], "Never", "Running"),
        ([ended(0), ended(1)], "Never", "Failed"),
        ([ended(0), ended(0)], "Never", "Succeeded"),
        ([ended(0)], "OnFailure", "Succeeded"),
        ([ended(1)], "OnFailure", "Running"),
        ([ended(0)], "Always", "Running"),
    ],
)
def test_phase(states, policy, phase):
    assert status(*states, policy=policy)["phase"] == phase


def test_a_container_that_waits_after_a_run_leaves_the_pod_running():
    assert status(WAITING, lasts=[ended(1)])["phase"] == "Running"


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (143, "Failed")])
def test_the_phase_of_a_pod_that_was_deleted(code, phase):
    assert status(ended(code), ending=True)["phase"] == phase


def test_the_unready_containers_are_named():
    found = status(RUNNING, ended(1))
    ready = next(each for each in found["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [c1]"
    assert ready["observedGeneration"] == found["observedGeneration"] == 3


def test_transition_times_move_only_with_the_status_and_old_reasons_are_cleared():
    first = status(WAITING)
    for each in first["conditions"]:
        each["lastTransitionTime"] = "then"
    second = {each["type"]: each for each in status(RUNNING, before=first)["conditions"]}
    assert second["Initialized"]["lastTransitionTime"] == "then"
    assert second["Ready"]["lastTransitionTime"] == "now"
    assert second["Ready"]["reason"] is None
