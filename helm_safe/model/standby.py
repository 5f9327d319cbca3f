"""The standby: the target revision's pods beside the current ones, as objects of our own.

What the live Service, Deployment, autoscaler and disruption budget select must not match the standby; what protects
or observes the pods (policies, monitors) must. So as few labels as possible change, and each selector that would stop
matching is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL, RUN_LABEL
from helm_safe.core.objects import (
    Object,
    ObjectRef,
    dig,
    label_selector_matches,
    labels_of,
    mapping,
    name_of,
    ref_of,
    selects,
)

SUFFIX = "-standby"
MAX_NAME = 63

# Selector objects that must go on matching the standby's pods: (kind, path of the LabelSelector or the plain map).
GUARDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("networking.k8s.io", "NetworkPolicy"): ("spec", "podSelector"),
    ("security.istio.io", "AuthorizationPolicy"): ("spec", "selector"),
    ("security.istio.io", "PeerAuthentication"): ("spec", "selector"),
    ("security.istio.io", "RequestAuthentication"): ("spec", "selector"),
    ("networking.istio.io", "Sidecar"): ("spec", "workloadSelector", "labels"),
    ("monitoring.coreos.com", "PodMonitor"): ("spec", "selector"),
    ("policy.linkerd.io", "Server"): ("spec", "podSelector"),
    ("cilium.io", "CiliumNetworkPolicy"): ("spec", "endpointSelector"),
}


class Standby(NamedTuple):
    """Names and labels of one standby.

    workload, service: names of our Deployment and Service. labels: what the standby's pods wear. returned: the labels,
    of those that were changed, with which the live Service selects them too.
    """

    workload: str
    service: str
    labels: dict[str, str]
    returned: dict[str, str]


class CannotStandBy(ValueError):
    """The workload cannot be doubled without the live objects touching the copy; the message says why."""


def standby_of(workload: Object, service: Object, run_id: str) -> Standby:
    """Names and labels for the standby of a target Deployment behind a live Service.

    Raises CannotStandBy for a Service without selector, or one that does not select the workload's pods.
    """
    labels = labels_of(mapping(workload, "spec", "template"))
    selector = mapping(service, "spec", "selector")
    if not selector:
        raise CannotStandBy(f"Service/{name_of(service)} has no selector, so nobody knows which pods it serves")
    if not selects(selector, labels):
        raise CannotStandBy(f"Service/{name_of(service)} does not select the pods of {ref_of(workload)}")
    owned = mapping(workload, "spec", "selector", "matchLabels")
    changed = _labels_to_change(selector, owned)
    marked = {key: short(f"{labels[key]}{SUFFIX}") for key in changed}
    ours = {RUN_LABEL: run_id, ROLE_LABEL: "standby"}
    return Standby(
        workload=short(name_of(workload) + SUFFIX),
        service=short(name_of(service) + SUFFIX),
        labels={**labels, **marked, **ours},
        returned={key: labels[key] for key in changed},
    )


def deployment_of(workload: Object, standby: Standby, release: str, replicas: int) -> Object:
    """The standby's Deployment: the target's pod template under our labels, its selector on our labels alone, so that
    relabelling its pods does not make it lose them.
    """
    spec = deepcopy(mapping(workload, "spec"))
    ours = {key: standby.labels[key] for key in (RUN_LABEL, ROLE_LABEL)}
    spec.update(
        {"replicas": replicas, "selector": {"matchLabels": {**ours, "helm-safe.dev/standby": standby.workload}}}
    )
    template = mapping(spec, "template")
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**standby.labels, "helm-safe.dev/standby": standby.workload}
    return _own(
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}, standby.workload, workload, standby, release
    )


def service_of(service: Object, standby: Standby, release: str) -> Object:
    """The standby's Service: the live one's ports, selecting the standby's pods by our labels."""
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"}
        for port in dig(service, "spec", "ports") or []
        if isinstance(port, dict)
    ]
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "ports": ports,
        "selector": {"helm-safe.dev/standby": standby.workload},
    }
    for key in ("sessionAffinity", "sessionAffinityConfig", "publishNotReadyAddresses"):
        if dig(service, "spec", key):
            spec[key] = deepcopy(service["spec"][key])
    return _own({"apiVersion": "v1", "kind": "Service", "spec": spec}, standby.service, service, standby, release)


def lost_guards(
    live: Mapping[ObjectRef, Object], before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Object]:
    """Policies and monitors that select the workload's pods and would not select the standby's."""
    for ref, obj in live.items():
        path = GUARDS.get((ref.group, ref.kind))
        if path is None:
            continue
        selector = mapping(obj, *path)
        if guard_matches(selector, before) and not guard_matches(selector, after):
            yield obj


def guard_matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """LabelSelector and plain map alike; an empty one selects every pod."""
    if "matchLabels" in selector or "matchExpressions" in selector or not selector:
        return label_selector_matches(selector, labels)
    return selects(selector, labels)


def short(name: str) -> str:
    """A name of at most 63 characters that keeps its end, which is ours."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - len(SUFFIX) - 1].rstrip('-.')}{SUFFIX}"


def _labels_to_change(selector: Mapping[str, str], owned: Mapping[str, str]) -> list[str]:
    """As few keys as make both the Service and the Deployment miss the standby: a shared one, else one of each."""
    shared = [key for key in selector if key in owned]
    if shared:
        return [_least_used(shared)]
    return [_least_used(selector), *([_least_used(owned)] if owned else [])]


def _least_used(keys: Iterable[str]) -> str:
    """The key that other selectors lean on least: instance and name labels first, the plain `app` last."""
    order = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app")
    return min(keys, key=lambda key: (order.index(key) + 1 if key in order else 0, key))


def _own(body: Object, name: str, source: Object, standby: Standby, release: str) -> Object:
    labels = {
        MANAGED_BY_LABEL: MANAGED_BY,
        RELEASE_LABEL: release,
        RUN_LABEL: standby.labels[RUN_LABEL],
        ROLE_LABEL: "standby",
    }
    body["metadata"] = {"name": name, "namespace": str(dig(source, "metadata", "namespace") or ""), "labels": labels}
    return body
