"""From a policy to the providers of metrics."""

from __future__ import annotations

from typing import Any

import pytest

from helm_safe.cli.gates import metrics_of, queries_of
from helm_safe.cli.rbac import of_metrics
from helm_safe.metrics import BUILTIN, QUERIES
from helm_safe.metrics.counted import CountedMetrics
from helm_safe.metrics.kubernetes import KubernetesQueries
from helm_safe.metrics.promql import PromqlQueries
from helm_safe.metrics.scrape import ScrapeMetrics
from helm_safe.model.errors import UsageError
from helm_safe.model.options import PROVIDERS
from helm_safe.model.policy import Annotated, Policy, Resolved, resolve
from helm_safe.model.queries import Query
from helm_safe.registry import resolve as imported
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import FakeClock

NOTHING = Annotated(1, {})
ENV = {"DD_API_KEY": "a", "DD_APP_KEY": "b", "NEW_RELIC_API_KEY": "c", "DT_API_TOKEN": "d", "INFLUX_TOKEN": "e"}
COUNTS = {"requests": "hits of $service", "errors": "errors of $service"}
URL = {"url": "https://metrics.example"}


def settled(**metrics: Any) -> Resolved:
    values = {f"metrics.{key.replace('__', '.')}": value for key, value in metrics.items()}
    return resolve({}, Policy("p.yaml", values), NOTHING, NOTHING)


def chosen(**metrics: Any) -> Any:
    return metrics_of(settled(**metrics), FakeCluster(), FakeClock(), ENV)


def answers(query: Query, **metrics: Any) -> Any:
    return queries_of(settled(**metrics), FakeCluster(), FakeClock(), ENV)(query)


def test_every_name_is_somebody() -> None:
    """Whatever the policy may name is in a table, and every line of the tables is a class that opens."""
    assert set(PROVIDERS) == {*BUILTIN, *QUERIES} - {"kubernetes"}
    for target in (*BUILTIN.values(), *QUERIES.values()):
        assert callable(imported(target).opened)


def test_without_a_word_the_gateway_is_asked() -> None:
    assert isinstance(chosen(), ScrapeMetrics)


@pytest.mark.parametrize(
    "told",
    [
        {"provider": "datadog"},
        {"provider": "newrelic", "newrelic__account": 7},
        {"provider": "graphite", **URL},
        {"provider": "influxdb", "influxdb__org": "shop", **URL},
        {"provider": "influxdb", "influxdb__language": "sql", "influxdb__database": "http", **URL},
        {"provider": "dynatrace", **URL},
        {"provider": "json", **URL},
        {"provider": "prometheus", **URL},
    ],
)
def test_two_queries_make_a_provider_that_counts(told: dict[str, Any]) -> None:
    assert isinstance(chosen(**told, **COUNTS), CountedMetrics)


@pytest.mark.parametrize("missing", [{"requests"}, {"errors"}, {"requests", "errors"}])
def test_what_a_counting_provider_lacks_is_named(missing: set[str]) -> None:
    told = {key: text for key, text in COUNTS.items() if key not in missing}
    with pytest.raises(UsageError) as raised:
        chosen(provider="datadog", **told)
    assert all(f"metrics.{key}" in raised.value.message for key in missing)
    assert "$service" in raised.value.next_step


def test_queries_need_somebody_who_answers_them() -> None:
    """Traefik itself does not; neither silently nor in the end is a query left out."""
    with pytest.raises(UsageError, match="scrape answers no queries"):
        chosen(**COUNTS)
    with pytest.raises(UsageError, match="scrape answers no queries"):
        answers(Query("cpu", "x"))


@pytest.mark.parametrize(
    ("told", "key"),
    [
        ({"provider": "graphite"}, "metrics.url"),
        ({"provider": "newrelic"}, "metrics.newrelic.account"),
        ({"provider": "influxdb", **URL}, "metrics.influxdb.org"),
        ({"provider": "influxdb", "influxdb__language": "influxql", **URL}, "metrics.influxdb.database"),
        ({"provider": "json"}, "metrics.url"),
        ({"provider": "dynatrace"}, "metrics.url"),
    ],
)
def test_what_a_provider_must_be_told(told: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError, match=key) as raised:
        settled(**told)
    assert key in raised.value.next_step


def test_a_query_is_answered_by_its_own_provider() -> None:
    assert isinstance(answers(Query("cpu", "x", provider="kubernetes")), KubernetesQueries)
    assert isinstance(answers(Query("q", "x", provider="prometheus", url="http://p:9090")), PromqlQueries)
    assert isinstance(answers(Query("q", "x"), **URL), PromqlQueries)


def test_each_is_opened_once() -> None:
    opened = queries_of(settled(**URL), FakeCluster(), FakeClock(), ENV)
    first = opened(Query("a", "x"))
    assert opened(Query("b", "y", provider="prometheus")) is first
    assert opened(Query("c", "y", url="https://other.example")) is not first


@pytest.mark.parametrize("query", [Query("q", "x", provider="graphite"), Query("q", "x", provider="newrelic")])
def test_a_query_whose_provider_lacks_something(query: Query) -> None:
    """The address of another provider is not its own."""
    with pytest.raises(UsageError, match=r"metrics\.(url|newrelic\.account)"):
        answers(query, **URL)


def test_a_name_of_nobody() -> None:
    with pytest.raises(UsageError, match="no provider of queries named 'datadgo'") as raised:
        answers(Query("q", "x", provider="datadgo"))
    assert "datadog" in raised.value.next_step


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"url": "service/monitoring/prom:9090"}, [("get", "services/proxy", "monitoring")]),
        ({"scrape__namespace": "edge"}, [("list", "pods/", "edge"), ("get", "pods/proxy", "edge")]),
        ({"scrape__namespace": "edge", **URL}, []),
        ({}, []),
    ],
)
def test_a_role_for_whoever_tells_the_numbers(told: dict[str, Any], asked: list[tuple[str, str, str]]) -> None:
    needed = of_metrics(settled(**told))
    assert [(each.verb, f"{each.resource.plural}/{each.subresource}", each.namespace) for each in needed] == asked
