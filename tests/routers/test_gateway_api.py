"""HTTPRoute weights, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.model.routes import Backends, Patch, RouteCapture, Weight
from helm_safe.ports import TrafficRouter
from helm_safe.routers.gateway_api import HTTP as ROUTER

router: TrafficRouter = ROUTER
PAIR = [Backends("api", "api-standby")]


def ref(name: str, weight: int | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, **({} if weight is None else {"weight": weight}), **more}


def route(*rules: list[dict[str, Any]], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "prod", "resourceVersion": "7", "generation": 3, **metadata},
        "spec": {"rules": [{"matches": [{"path": {"value": f"/{n}"}}], "backendRefs": r} for n, r in enumerate(rules)]},
    }


def apply(live: dict[str, Any], patch: Patch) -> dict[str, Any]:
    for operation in patch[1:]:
        live["spec"]["rules"][int(operation["path"].split("/")[3])]["backendRefs"] = operation["value"]
    return live


def weights(live: dict[str, Any], rule: int = 0) -> dict[str, int]:
    return {entry["name"]: entry["weight"] for entry in live["spec"]["rules"][rule]["backendRefs"]}


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, (100, 0)), (1, (99, 1)), (10, (90, 10)), (50, (50, 50)), (100, (0, 100)), (0.1, (999, 1))],
)
def test_a_single_backend_is_split(share: float, expected: tuple[int, int]) -> None:
    """Plain percentages where the Service is alone, finer ones where asked."""
    live = route([ref("api")])
    made = apply(live, router.patch(router.capture(live), live, PAIR, Weight(share)))
    assert weights(made) == {"api": expected[0], "api-standby": expected[1]}
    assert router.share(made, PAIR) == Weight(share)


def test_other_backends_keep_their_share() -> None:
    """A third backend's share of all requests does not move."""
    live = route([ref("api", 3), ref("other", 1)])
    made = weights(apply(live, router.patch(router.capture(live), live, PAIR, Weight(10))))
    assert made["other"] / sum(made.values()) == 0.25
    assert made["api-standby"] / (made["api"] + made["api-standby"]) == 0.1


def test_filters_and_other_rules_survive() -> None:
    """The standby's entry is the stable one's but for name and weight; other rules are not patched."""
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]
    live = route([ref("api", filters=filters)], [ref("other")])
    patch = router.patch(router.capture(live), live, PAIR, Weight(1))
    assert [operation["path"] for operation in patch] == ["/metadata/resourceVersion", "/spec/rules/0/backendRefs"]
    assert patch[1]["value"][1]["filters"] == filters


def test_writing_twice_is_writing_once_and_restore_is_exact() -> None:
    """Computed from the captured rules: idempotent, and back to the byte."""
    original = route([ref("api")], [ref("api", 5), ref("other", 5)])
    captured = RouteCapture.from_json(router.capture(original).to_json())
    live = apply(
        route([ref("api")], [ref("api", 5), ref("other", 5)]), router.patch(captured, original, PAIR, Weight(50))
    )
    assert router.patch(captured, live, PAIR, Weight(50)) == []
    assert apply(live, router.restore(captured, live))["spec"] == original["spec"]
    assert router.restore(captured, original) == []


def test_problems_are_named() -> None:
    """What cannot be split safely is refused in words."""
    assert router.problems(route([ref("api"), ref("api")]), "api") == ["rule 0 names the Service api 2 times"]
    assert "a weight of 0" in router.problems(route([ref("api", 0), ref("b")]), "api")[0]
    assert router.problems(route([ref("api")]), "api") == []
    refused = route([ref("api"), ref("far", namespace="edge")])
    condition = {"type": "ResolvedRefs", "status": "False", "reason": "RefNotPermitted", "message": "no ReferenceGrant"}
    refused["status"] = {"parents": [{"parentRef": {"name": "web"}, "conditions": [condition]}]}
    assert router.problems(refused, "api") == ["its parent web refuses it (RefNotPermitted): no ReferenceGrant"]


def test_services_of_the_own_namespace_are_found() -> None:
    """Backends elsewhere and of other kinds are not ours to split."""
    mixed = route([ref("api"), ref("far", namespace="edge")], [ref("b", namespace="prod"), ref("q", kind="Queue")])
    assert router.services(mixed) == {"api", "b"}


def test_another_writer_is_noticed_and_named() -> None:
    """Edits beside the weights, and weights that we did not write, are somebody else's."""
    live = route([ref("api")])
    captured = router.capture(live)
    assert router.foreign(captured, live, PAIR, [None]) is None
    apply(live, router.patch(captured, live, PAIR, Weight(10)))
    assert router.foreign(captured, live, PAIR, [Weight(10)]) is None
    live["metadata"]["managedFields"] = [
        {"manager": "helm-safe", "time": "2026-01-02T00:00:09Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "argocd", "time": "2026-01-02T00:00:08Z", "fieldsV1": {"f:spec": {}}},
    ]
    found = router.foreign(captured, live, PAIR, [None, Weight(1)])
    assert found
    assert str(found) == "its backends were changed to api 90, api-standby 10 (by argocd at 2026-01-02T00:00:08Z)"
    live["spec"]["rules"][0]["matches"] = []
    assert "spec.rules[0].matches was edited" in str(router.foreign(captured, live, PAIR, [Weight(10)]))
    assert "spec.rules was edited" in str(router.foreign(captured, route([ref("api")], [ref("b")]), PAIR, [None]))


def test_several_pairs_move_together() -> None:
    """Two Services of the release in one rule and one in another: each shares with its own standby."""
    pairs = [Backends("api", "api-standby"), Backends("web", "web-standby")]
    live = route([ref("api", 3), ref("web", 1)], [ref("web")])
    apply(live, router.patch(router.capture(live), live, pairs, Weight(10)))
    assert weights(live) == {"api": 270, "web": 90, "api-standby": 30, "web-standby": 10}
    assert weights(live, 1) == {"web": 90, "web-standby": 10}
    assert router.share(live, pairs) == Weight(10)


def test_a_backend_that_is_there_keeps_its_own_entry() -> None:
    """A known-good backend of the route has a port of its own, and shares what both had."""
    live = route([ref("api", 50), ref("api-v1", 50, port=8080)])
    apply(live, router.patch(router.capture(live), live, [Backends("api", "api-v1")], Weight(100)))
    assert live["spec"]["rules"][0]["backendRefs"] == [ref("api", 0), ref("api-v1", 100, port=8080)]


def test_converged_is_three_valued() -> None:
    """No status is no answer; an old generation is a no."""
    live = route([ref("api")])
    assert router.converged(live) is None
    conditions = [{"type": kind, "status": "True", "observedGeneration": 3} for kind in ("Accepted", "ResolvedRefs")]
    live["status"] = {"parents": [{"conditions": conditions}]}
    assert router.converged(live) is True
    conditions[1]["observedGeneration"] = 2
    assert router.converged(live) is False


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=4), st.sampled_from([0, 0.1, 1, 10, 50, 99, 100]))
def test_weights_are_legal_and_never_all_zero(values: list[int], share: float) -> None:
    """Whatever the route has: whole numbers in the API's range, and somebody gets the traffic."""
    refs = [ref("api" if number == 0 else f"b{number}", value) for number, value in enumerate(values)]
    if not any(values):
        return
    live = route(refs)
    made = weights(apply(live, router.patch(router.capture(live), live, PAIR, Weight(share))) if values else live)
    assert all(0 <= value <= 1_000_000 for value in made.values())
    assert sum(made.values()) > 0
