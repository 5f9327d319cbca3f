"""No check throws, whatever shape an object of the cluster or of a manifest has."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helm_safe.checks.run import run_checks
from helm_safe.core.objects import Object
from helm_safe.model.snapshot import DryRun, Snapshot
from tests.checks.cases import CASES
from tests.checks.world import HELM4, container, deployment, hook, obj, service, world

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**20),
    st.floats(allow_nan=True),
    st.sampled_from(["", "web", "1", "50%", "x:y@z"]),
)
ODD = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "key", "port", "spec", "weight", "metadata"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a value, the whole included."""
    found = [path]
    if isinstance(value, dict):
        found += [each for key in value for each in paths(value[key], (*path, key))]
    if isinstance(value, list):
        found += [each for index, item in enumerate(value) for each in paths(item, (*path, index))]
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def broken(snapshot: Snapshot, data: st.DataObject) -> Snapshot:
    """The same snapshot with odd values put into one live object and one of each manifest."""
    from dataclasses import replace

    change = snapshot.change
    current = replace(change.current, objects=_spoil(change.current.objects, data))
    target = replace(change.target, objects=_spoil(change.target.objects, data))
    return replace(
        snapshot, live=_spoil(dict(snapshot.live), data), change=replace(change, current=current, target=target)
    )


def _spoil(objects: dict[Any, Object], data: st.DataObject) -> dict[Any, Object]:
    if not objects:
        return objects
    ref = data.draw(st.sampled_from(sorted(objects)))
    places = [path for path in paths(objects[ref]) if path and path not in (("kind",), ("apiVersion",))]
    spoiled = objects[ref]
    for _ in range(2):
        place = data.draw(st.sampled_from(places))
        try:
            spoiled = replaced(spoiled, place, data.draw(ODD))
        except (KeyError, IndexError, TypeError):
            continue
    return {**objects, ref: spoiled}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CASES), st.data())
def test_no_check_throws_on_spoiled_objects(case: Any, data: st.DataObject) -> None:
    for finding in run_checks(broken(case.make(), data)):
        assert isinstance(finding.message, str)
        assert isinstance(finding.to_json(), dict)


KINDS = (
    ("Deployment", "apps"),
    ("Service", ""),
    ("Secret", ""),
    ("ConfigMap", ""),
    ("Pod", ""),
    ("Node", ""),
    ("ResourceQuota", ""),
    ("PersistentVolumeClaim", ""),
    ("StatefulSet", "apps"),
    ("HTTPRoute", "gateway.networking.k8s.io"),
    ("HorizontalPodAutoscaler", "autoscaling"),
    ("PodDisruptionBudget", "policy"),
    ("Job", "batch"),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), ODD, ODD, ODD)
def test_no_check_throws_on_random_bodies(kind: tuple[str, str], spec: Any, status: Any, data: Any) -> None:
    odd = obj(kind[0], "web", kind[1], spec=spec, status=status, data=data, labels=data, annotations=spec)
    good = (deployment("web", container(ports=[{"containerPort": 8080}])), service())
    base = world([odd, *good], [odd], [odd, *good])
    answers = {ref: DryRun(422, message="odd", conflicts=(("x", "y"),)) for ref in base.target.objects}
    run_checks(base.snapshot(dry_run=answers, helm=HELM4))
    run_checks(base.snapshot(older=(), newer=()))


def test_hooks_of_odd_shape() -> None:
    from dataclasses import replace

    base = world([deployment()])
    odd: Object = {"kind": 5, "apiVersion": [], "metadata": "none", "spec": [1]}
    target = replace(base.target, hooks=(hook("odd", "pre-rollback", objects=[odd]),))
    assert run_checks(base._replace(target=target).snapshot())
