"""The page about metrics: its examples are policies, and open the provider that they are about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helm_safe.cli.gates import metrics_of
from helm_safe.cli.policy import parse_policy
from helm_safe.metrics import QUERIES
from helm_safe.metrics.counted import CountedMetrics
from helm_safe.metrics.kubernetes import _wanted
from helm_safe.model.policy import Annotated, resolve
from helm_safe.model.queries import filled, names_time
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import FakeClock
from tests.metrics.test_queries import SYSTEMS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(apiVersion.*?)```", PAGE, re.DOTALL)
NAMES = {"service": "api", "namespace": "shop"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.search(r"provider: (\w+)", text)[1])
def test_an_example_is_a_policy_that_opens(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = parse_policy(example, "docs/metrics.md", ())
    settings = resolve({}, policy, Annotated(1, {}), Annotated(1, {}))
    env = {name: value for system in SYSTEMS.values() for name, value in system.env.items()}
    assert isinstance(metrics_of(settings, FakeCluster(), FakeClock(), env), CountedMetrics)
    for key in ("metrics.requests", "metrics.errors"):
        text = filled(settings.value(key), NAMES)
        assert "api" in text
        assert names_time(text) == (settings.value("metrics.provider") == "influxdb")


def test_every_provider_has_a_section_with_its_variables() -> None:
    shown = {name for example in EXAMPLES for name in re.findall(r"provider: (\w+)", example)}
    assert shown == set(QUERIES) - {"kubernetes"}
    for system in SYSTEMS.values():
        assert all(f"`{variable}`" in PAGE for variable in system.env)


def test_the_query_for_pods_can_be_read() -> None:
    (query,) = re.findall(r"`(memory namespace=.*?)`", PAGE)
    assert _wanted(filled(query, NAMES)).over == "max"
