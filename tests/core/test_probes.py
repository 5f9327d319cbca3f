"""Facts of probes and the signs of slow stacks."""

from __future__ import annotations

import pytest

from helm_safe.core.probes import LIVENESS, READINESS, STARTUP, boot_kill_after, probe, stack_of, starved

HTTP = {"httpGet": {"path": "/live", "port": "http"}}


def test_kubernetes_defaults_are_filled_in() -> None:
    found = probe({READINESS: {"httpGet": {"port": 80}}}, READINESS)
    assert found is not None
    assert (found.initial_delay, found.period, found.timeout, found.failures) == (0, 10, 1, 3)
    assert (found.port, found.budget, found.patience) == ("80", 30, 30)


def test_the_startup_probe_decides_when_there_is_one() -> None:
    liveness = {**HTTP, "initialDelaySeconds": 15, "periodSeconds": 20}
    assert boot_kill_after({LIVENESS: liveness}) == 75
    assert boot_kill_after({LIVENESS: liveness, STARTUP: {**HTTP, "failureThreshold": 30}}) == 300
    assert boot_kill_after({READINESS: HTTP}) is None


def test_defaults_spelled_out_make_the_same_handler() -> None:
    short = probe({LIVENESS: {"httpGet": {"port": 80}}}, LIVENESS)
    full = probe({LIVENESS: {"httpGet": {"port": "80", "path": "/", "scheme": "HTTP"}}}, LIVENESS)
    assert short is not None
    assert full is not None
    assert short.handler == full.handler


@pytest.mark.parametrize("body", [None, {}, [], "x", {"httpGet": None}, {"periodSeconds": 5}])
def test_a_probe_without_handler_is_none(body: object) -> None:
    assert probe({LIVENESS: body}, LIVENESS) is None


@pytest.mark.parametrize(
    ("container", "name", "slow"),
    [
        ({"image": "eclipse-temurin:21-jre"}, "JVM", True),
        ({"image": "shop:1", "command": ["java", "-jar", "/app.jar"]}, "JVM", True),
        ({"image": "shop:1", "env": [{"name": "SPRING_PROFILES_ACTIVE", "value": "prod"}]}, "JVM", True),
        ({"image": "shop:1", "env": [{"name": "JAVA_TOOL_OPTIONS"}]}, "JVM", True),
        ({"image": "postgres:16"}, "data engine", True),
        ({"image": "docker.io/bitnami/kafka:3"}, "data engine", True),
        ({"image": "vllm/vllm-openai:v1"}, "machine-learning server", True),
        ({"image": "shop:1", "args": ["bundle", "exec", "puma"]}, "Ruby on Rails", True),
        ({"image": "python:3.12"}, "Python", False),
        ({"image": "node:22"}, "Node", False),
        ({"image": "mcr.microsoft.com/dotnet/aspnet:9.0"}, ".NET", False),
    ],
)
def test_stacks_are_recognised(container: dict[str, object], name: str, slow: bool) -> None:
    stack = stack_of(container)
    assert stack is not None
    assert (stack.name, stack.slow) == (name, slow)


@pytest.mark.parametrize(
    "image", ["nginx:1", "prom/postgres-exporter:1", "gcr.io/distroless/static", "my/javascript-thing:1", "kafka-ui:2"]
)
def test_other_images_are_not(image: str) -> None:
    assert stack_of({"image": image}) is None


def test_labels_tell_too() -> None:
    assert stack_of({"image": "shop:1"}, {"framework": "spring-boot"}) is not None


def test_half_a_core_is_too_little() -> None:
    assert starved({"resources": {"limits": {"cpu": "250m"}}})
    assert not starved({"resources": {"limits": {"cpu": 1}}})
    assert not starved({"resources": {"limits": {"cpu": "fast"}}})
    assert not starved({})
