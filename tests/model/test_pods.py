"""Pods, read: their state in a word, what is kept of them, and what events say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.model import kept
from helm_safe.model.happenings import Happenings, happening_of
from helm_safe.model.happenings import kept as kept_event
from helm_safe.model.health import rollout_of, state_of, trouble_of
from helm_safe.model.machine import Verdict


def status(**state: Any) -> Object:
    return {"name": "app", **state}


@pytest.mark.parametrize(
    ("pod", "word"),
    [
        ({"status": {"phase": "Pending"}}, "Pending"),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        ({"metadata": {"deletionTimestamp": "2026"}, "status": {"phase": "Running"}}, "Terminating"),
        (
            {"status": {"containerStatuses": [status(state={"waiting": {"reason": "CrashLoopBackOff"}})]}},
            "CrashLoopBackOff",
        ),
        ({"status": {"initContainerStatuses": [status(state={"terminated": {"reason": "Error"}})]}}, "Init:Error"),
        (
            {
                "status": {
                    "phase": "Running",
                    "initContainerStatuses": [status(state={"terminated": {"reason": "Completed"}})],
                    "containerStatuses": [status(state={"running": {}})],
                }
            },
            "Running",
        ),
        ({}, "Unknown"),
    ],
)
def test_a_state_in_a_word(pod: Object, word: str) -> None:
    assert state_of(pod) == word


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (0, "Completed", "ended by itself without an error (exit 0)"),
        (2, "Error", "ended with an error (exit 2)"),
        (127, "StartError", "has no such command (exit 127, StartError)"),
        (137, "Error", "was killed (SIGKILL), as after a failed liveness probe (exit 137)"),
        (143, "Error", "was told to end (SIGTERM), as after a failed liveness probe (exit 143)"),
    ],
)
def test_how_a_container_ended(code: int, reason: str, words: str) -> None:
    container = status(
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        lastState={"terminated": {"exitCode": code, "reason": reason}},
    )
    said = trouble_of({"metadata": {"name": "a"}, "status": {"containerStatuses": [container]}})
    assert said == f"Pod/a: container app: CrashLoopBackOff, it {words}"


def test_pods_that_cannot_be_made_are_told() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
    health = rollout_of({"kind": "Deployment", "metadata": {"name": "a"}, "status": {"conditions": [failure]}})
    assert health.verdict is Verdict.INCONCLUSIVE
    assert "exceeded quota: small" in health.message


def test_a_pod_keeps_what_warming_and_watching_read() -> None:
    probe = {"httpGet": {"path": "/ready", "port": "http"}}
    container = {"name": "app", "image": "x:1", "ports": [{"containerPort": 80}], "readinessProbe": probe}
    proxy = {"name": "proxy", "env": [{"name": "ISTIO_KUBE_APP_PROBERS", "value": "{}"}]}
    heavy = {"env": [{"name": "A", "value": "secret"}], "resources": {}, "volumeMounts": [{}]}
    pod = {
        "metadata": {"name": "a", "labels": {"app": "a"}, "annotations": {"short": "yes", "long": "x" * 5000}},
        "spec": {
            "containers": [{**container, **heavy}],
            "initContainers": [proxy],
            "volumes": [{}] * 9,
            "nodeName": "n",
        },
        "status": {"containerStatuses": [{"name": "app", "ready": True, "volumeMounts": [{}]}]},
    }
    before = json.dumps(pod)
    small = kept.pod(pod)
    assert json.dumps(pod) == before, "the object itself is not touched"
    assert small["spec"] == {"containers": [container], "initContainers": [proxy], "nodeName": "n"}
    assert small["metadata"]["annotations"] == {"short": "yes"}
    assert small["status"] == {"containerStatuses": [{"name": "app", "ready": True}]}
    assert kept.pod({"kind": "Pod"}) == {"kind": "Pod", "metadata": {}, "spec": {}, "status": {}}


def event(message: str, reason: str = "Unhealthy", kind: str = "Pod", **fields: Any) -> Object:
    about = {"kind": kind, "name": "a", "uid": "1"}
    metadata = {"name": "a.1", "uid": "e1", "managedFields": [{}]}
    return {"metadata": metadata, "involvedObject": about, "reason": reason, "message": message, **fields}


def test_only_events_about_the_health_of_pods_are_kept() -> None:
    assert kept_event(event("x", reason="Scheduled")) is None
    assert kept_event(event("x", kind="Deployment")) is None
    assert kept_event({}) is None
    small = kept_event(event("x" * 900, source={"host": "n"}, count=3))
    assert small is not None
    assert len(small["message"]) == 300
    assert set(small) == {"metadata", "involvedObject", "message", "reason", "count"}
    assert "managedFields" not in small["metadata"]


@pytest.mark.parametrize(
    ("message", "probe", "words"),
    [
        ("Readiness probe failed: HTTP probe failed with statuscode: 503", "readiness", "HTTP 503"),
        ('Liveness probe failed: Get "http://10.0.0.1": dial tcp: connect: connection refused', "liveness", "refused"),
        ('Startup probe failed: Get "http://x": context deadline exceeded', "startup", "no answer in time"),
        ("Readiness probe failed: cat: /tmp/ok: No such file", "readiness", "cat: /tmp/ok: No such file"),
        ("Readiness probe failed: ", "readiness", "it failed"),
        ("something new", "", "something new"),
    ],
)
def test_what_a_probe_says(message: str, probe: str, words: str) -> None:
    read = happening_of(event(message))
    assert read.probe == probe
    assert words in read.words


def test_failures_are_counted_as_the_event_counts_them_and_forgotten() -> None:
    seen = Happenings()
    fail = "Readiness probe failed: HTTP probe failed with statuscode: 500"
    assert seen.note([event(fail, count=9)], {"1"}, 0) == []
    assert [each.times for each in seen.note([event(fail, series={"count": 12})], {"1"}, 5)] == [12]
    assert seen.note([event(fail, count=12)], {"1"}, 10) == []
    assert seen.note([event(fail, count=20)], {"another"}, 15) == []
    (failing,) = seen.failing(20)
    assert failing.sentence == "readiness failed 3 times in the last 60 s: HTTP 500"
    assert seen.failing(66) == []
