"""Subsets of a Service (Istio): who tells them apart, who cannot, and what an Envoy beside a real istiod publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from helm_safe.core.objects import Object
from helm_safe.model.traffic import Backend, NoData, Sample
from tests.metrics.test_dialects import World

DATA = Path(__file__).parent / "data"
STABLE, ROLLBACK = "v1-stable", "v1-rollback"


def rule(**subsets: Mapping[str, str]) -> Object:
    told = [{"name": name, "labels": dict(labels)} for name, labels in subsets.items()]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"host": "api", "subsets": told},
    }


def count(sample: Sample) -> tuple[float, float]:
    return sum(sample.requests.values()), sum(sample.errors.values())


@pytest.mark.parametrize("name", ["istio-gateway", "istio-waypoint"])
def test_istios_own_counters_know_the_label_version(name: str) -> None:
    world = World(name)
    world.cluster.put(rule(one={"version": "v1"}, two={"version": "v2"}))
    one, two = Backend("shop", "api/one"), Backend("shop", "api/two")
    found = world.scraping().sample((one, two))
    assert count(found[one]) == (200, 20)
    assert count(found[two]) == (0, 0)


@pytest.mark.parametrize("labels", [{"track": "stable"}, {"version": "v1", "track": "stable"}, None])
def test_a_subset_by_other_labels_is_no_data(labels: Mapping[str, str] | None) -> None:
    """Two subsets of one version would be each other's numbers."""
    world = World("istio-gateway")
    if labels:
        world.cluster.put(rule(one=labels))
    with pytest.raises(NoData, match="not a subset by that label alone") as raised:
        world.scraping().sample((Backend("shop", "api/one"),))
    assert "istio-clusters" in raised.value.next_step


@pytest.mark.parametrize("name", ["contour", "linkerd", "apisix"])
def test_who_knows_no_subsets_says_so(name: str) -> None:
    with pytest.raises(NoData, match="does not tell the subsets of a Service apart"):
        World(name).scraping().sample((Backend("shop", "api/one"),))


@pytest.mark.parametrize("name", ["api/", "api/one/two", "api/One", "/one"])
def test_a_name_that_no_subset_has(name: str) -> None:
    with pytest.raises(NoData, match="of that name"):
        World("istio-clusters").scraping().sample((Backend("shop", name),))


def test_counters_that_istio_was_not_asked_for_are_missed() -> None:
    """Requests come in, and no cluster of a Service is published: no data, with what to write where."""
    world = World("istio-clusters")
    provider = world.scraping()
    for came in (100, 130):
        text = "envoy_server_live{} 1\n"
        text += 'envoy_cluster_upstream_rq{response_code="200",cluster_name="xds-grpc"} 2\n'
        text += f'istio_requests_total{{reporter="source",response_code="200"}} {came}\n'
        world.publish("edge", "gw-1", text)
        if came == 100:
            provider.sample((Backend("shop", "api/one"),))
    with pytest.raises(NoData, match="not by Service") as raised:
        provider.sample((Backend("shop", "api/one"),))
    assert "sidecar.istio.io/statsInclusionPrefixes: cluster.outbound" in raised.value.next_step
