"""Holding autoscalers: who scales a workload, what holds it, and the way back to the very same object."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.core.objects import Object, ObjectRef, ref_of
from helm_safe.model.holds import captured, foreign, held, hold, holders, restore
from tests.fakes import merging

WEB = ObjectRef("apps", "Deployment", "shop", "web")
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def hpa(**spec: Any) -> Object:
    return scaler("autoscaling/v2", "HorizontalPodAutoscaler", {"scaleTargetRef": TARGET, "maxReplicas": 10, **spec})


def scaled_object(**annotations: str) -> Object:
    made = scaler("keda.sh/v1alpha1", "ScaledObject", {"scaleTargetRef": {"name": "web"}})
    keys = {f"autoscaling.keda.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return made | {"metadata": made["metadata"] | {"annotations": keys}} if keys else made


def vpa(**spec: Any) -> Object:
    return scaler("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", {"targetRef": TARGET, **spec})


def scaler(version: str, kind: str, spec: Object) -> Object:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": deepcopy(spec),
    }


def applied(obj: Object, patch: Object | None) -> Object:
    return deepcopy(obj) if patch is None else dict(merging.merge(obj, patch))


# Who scales it


def test_each_kind_is_found_by_its_reference() -> None:
    found = holders([vpa(), scaled_object(), hpa()], WEB)
    assert [ref_of(obj).kind for obj in found] == ["HorizontalPodAutoscaler", "VerticalPodAutoscaler", "ScaledObject"]


@pytest.mark.parametrize(
    "other",
    [
        {**TARGET, "name": "api"},
        {**TARGET, "kind": "StatefulSet"},
        {**TARGET, "apiVersion": "argoproj.io/v1alpha1"},
        {"kind": "Deployment", "name": "web"},
        {},
        None,
        "web",
    ],
)
def test_a_reference_to_something_else_is_none(other: Any) -> None:
    assert holders([hpa(scaleTargetRef=other)], WEB) == []


def test_the_version_of_the_reference_does_not_count() -> None:
    assert holders([hpa(scaleTargetRef={**TARGET, "apiVersion": "apps/v1beta2"})], WEB)


def test_another_namespace_is_another_workload() -> None:
    assert holders([hpa()], WEB._replace(namespace="other")) == []


def test_keda_names_a_deployment_where_it_names_no_kind() -> None:
    assert holders([scaled_object()], WEB)
    assert holders([scaled_object()], WEB._replace(kind="StatefulSet")) == []


def owned_by_keda() -> Object:
    made = hpa()
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web", "uid": "1"}
    made["metadata"] |= {"name": "keda-hpa-web", "ownerReferences": [owner]}
    return made


def test_the_autoscaler_that_keda_made_is_left_to_its_scaled_object() -> None:
    assert holders([owned_by_keda(), scaled_object()], WEB) == [scaled_object()]


def test_without_its_scaled_object_it_is_held_itself() -> None:
    assert holders([owned_by_keda()], WEB) == [owned_by_keda()]


# What holds it


@pytest.mark.parametrize(
    ("obj", "patch"),
    [
        (hpa(minReplicas=2), {"spec": {"minReplicas": 4}}),
        (hpa(), {"spec": {"minReplicas": 4}}),
        (hpa(minReplicas=0), {"spec": {"minReplicas": 4}}),
        (hpa(minReplicas=2, maxReplicas=3), {"spec": {"minReplicas": 4, "maxReplicas": 4}}),
        (hpa(minReplicas=2, maxReplicas=4), {"spec": {"minReplicas": 4}}),
        (hpa(minReplicas=4), None),
        (hpa(minReplicas=6), None),
        (scaled_object(), {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}),
        (scaled_object(paused="false"), {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}),
        (scaled_object(paused="0"), {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}),
        (scaled_object(paused="true"), None),
        (scaled_object(paused="yes"), None),
        (scaled_object(paused=""), None),
        (scaled_object(paused_replicas="3"), None),
        (scaled_object(paused_replicas="0", paused="false"), None),
        (vpa(), {"spec": {"updatePolicy": {"updateMode": "Off"}}}),
        (vpa(updatePolicy={"updateMode": "Recreate"}), {"spec": {"updatePolicy": {"updateMode": "Off"}}}),
        (vpa(updatePolicy={"updateMode": "Off"}), None),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}, None),
    ],
)
def test_a_hold_changes_as_little_as_holds(obj: Object, patch: Object | None) -> None:
    assert hold(obj, 4) == patch
    assert held(obj, 4) is (patch is None)
    assert held(applied(obj, patch), 4)


def test_one_replica_needs_no_higher_floor() -> None:
    assert hold(hpa(), 1) is None


# The way back


def test_what_was_absent_is_absent_again() -> None:
    before = vpa()
    now = applied(before, hold(before, 4))
    assert restore(captured(before), now, 4) == {"spec": {"updatePolicy": None}}


def test_what_somebody_put_beside_our_field_stays() -> None:
    before = vpa()
    now = applied(before, hold(before, 4))
    now["spec"]["updatePolicy"]["minReplicas"] = 3
    assert restore(captured(before), now, 4) == {"spec": {"updatePolicy": {"updateMode": None}}}
    assert foreign(captured(before), now, 4) == ""


def test_what_somebody_else_set_is_said_and_stays() -> None:
    before = hpa(minReplicas=2, maxReplicas=3)
    now = applied(applied(before, hold(before, 4)), {"spec": {"minReplicas": 3}})
    assert restore(captured(before), now, 4) == {"spec": {"maxReplicas": 3}}
    said = foreign(captured(before), now, 4)
    assert said.startswith("HorizontalPodAutoscaler/web: spec.minReplicas is 3, neither the 4 of this run nor 2 as")


def test_a_pause_that_somebody_removed_is_said() -> None:
    before = scaled_object(paused="false")
    assert "paused is absent" in foreign(captured(before), scaled_object(), 4)
    assert restore(captured(before), scaled_object(), 4) is None


def test_a_field_that_was_not_held_is_nobodys_business() -> None:
    before = hpa(minReplicas=2)
    now = applied(before, {"spec": {"minReplicas": 4, "maxReplicas": 30}})
    assert foreign(captured(before), now, 4) == ""
    assert restore(captured(before), now, 4) == {"spec": {"minReplicas": 2}}


replicas = st.integers(0, 12)
texts = st.sampled_from(["true", "false", "0", "yes", "3"])
extras = st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3), max_size=2)


@st.composite
def objects(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(["hpa", "vpa", "keda"]))
    if kind == "hpa":
        counts = st.fixed_dictionaries({"maxReplicas": replicas}, optional={"minReplicas": replicas})
        made = hpa(**draw(counts))
    elif kind == "vpa":
        modes = st.sampled_from(["Off", "Initial", "Recreate", "Auto", "InPlaceOrRecreate"])
        policy = st.fixed_dictionaries({}, optional={"updateMode": modes, "minReplicas": replicas})
        made = vpa(**draw(st.fixed_dictionaries({}, optional={"updatePolicy": policy})))
    else:
        made = scaled_object(**draw(st.fixed_dictionaries({}, optional={"paused": texts, "paused_replicas": texts})))
    if draw(st.booleans()):
        made["metadata"]["annotations"] = made["metadata"].get("annotations", {}) | draw(extras)
    return made


@given(objects(), replicas)
def test_there_and_back_is_the_same_object(obj: Object, floor: int) -> None:
    journaled = json.loads(json.dumps(captured(obj)))
    now = applied(obj, hold(obj, floor))
    assert held(now, floor)
    assert hold(now, floor) is None
    assert foreign(journaled, now, floor) == ""
    back = applied(now, restore(journaled, now, floor))
    assert json.dumps(back, sort_keys=True) == json.dumps(obj, sort_keys=True)
    assert restore(journaled, back, floor) is None
    assert foreign(journaled, back, floor) == ""


@given(objects(), replicas, replicas)
def test_a_floor_is_never_lowered(obj: Object, floor: int, lower: int) -> None:
    now = applied(obj, hold(obj, max(floor, lower)))
    assert hold(now, min(floor, lower)) is None
