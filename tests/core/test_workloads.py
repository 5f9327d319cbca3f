"""The table of workload kinds and the parts of pod templates."""

from __future__ import annotations

import pytest

from helm_safe.core.objects import Object
from helm_safe.core.workloads import (
    WORKLOADS,
    all_containers,
    containers,
    counts_replicas,
    declared_replicas,
    images,
    pod_spec,
    pod_template,
    ports,
    selects_pod,
    sidecar,
    workload_kind,
    workload_of,
)

POD: Object = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "initContainers": [
            {"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"},
            {"name": "init", "image": "a"},
        ],
        "containers": [
            {"name": "app", "image": "a", "ports": [{"name": "http", "containerPort": 80}, {"name": "odd"}]}
        ],
    },
}


def workload(kind: str, api: str, spec: Object) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "web"}, "spec": spec}


DEPLOYMENT = workload(
    "Deployment", "apps/v1", {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": POD}
)


def test_templates_are_found_wherever_the_kind_keeps_them() -> None:
    cron = workload("CronJob", "batch/v1", {"jobTemplate": {"spec": {"template": POD}}})
    assert pod_template(DEPLOYMENT) == POD
    assert pod_template(cron) == POD
    assert pod_spec({"apiVersion": "v1", "kind": "Pod", **POD}) == POD["spec"]


def test_objects_without_pods_have_no_template() -> None:
    service = workload("Service", "v1", {"template": POD})
    assert workload_of(service) is None
    assert pod_template(service) == {}


def test_the_group_decides_between_kinds_of_the_same_name() -> None:
    assert workload_kind("apps", "Rollout") is None
    assert workload_kind("argoproj.io", "Rollout") is not None
    assert len({(row.group, row.kind) for row in WORKLOADS}) == len(WORKLOADS)


def test_containers_come_in_the_order_in_which_they_start() -> None:
    assert [each["name"] for each in all_containers(POD)] == ["mesh", "init", "app"]
    assert [each["name"] for each in containers(POD)] == ["app"]
    assert [sidecar(each) for each in all_containers(POD)] == [True, False, False]
    assert images(POD) == ["mesh:1", "a"]


def test_ports_without_a_number_are_left_out() -> None:
    assert list(ports(containers(POD)[0])) == [("http", 80)]


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (0, 0), (None, None), ("3", None), (True, None)])
def test_only_whole_numbers_are_replica_counts(value: object, expected: int | None) -> None:
    assert declared_replicas(workload("Deployment", "apps/v1", {"replicas": value})) == expected


def test_daemon_sets_count_no_replicas() -> None:
    assert not counts_replicas(workload("DaemonSet", "apps/v1", {"replicas": 3}))
    assert declared_replicas(workload("DaemonSet", "apps/v1", {"replicas": 3})) is None


def test_selectors_of_both_styles_match_pods() -> None:
    controller = workload("ReplicationController", "v1", {"selector": {"app": "web"}, "template": POD})
    for each in (DEPLOYMENT, controller):
        assert selects_pod(each, {"app": "web", "more": "x"})
        assert not selects_pod(each, {"app": "other"})


def test_without_a_selector_the_templates_labels_decide() -> None:
    job = workload("Job", "batch/v1", {"template": POD})
    assert selects_pod(job, {"app": "web"})
    assert not selects_pod(job, {})


@pytest.mark.parametrize("odd", [None, [], "text", 5, {"containers": "none"}, {"containers": [None, 1, {}]}])
def test_odd_pod_specs_are_survived(odd: object) -> None:
    template = pod_template(workload("Deployment", "apps/v1", {"template": {"spec": odd}}))
    assert images(template) == []
