"""Workloads: the kinds that own pods, as a table, and the parts of their pod templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, gvk_of, label_selector_matches, mapping, selects, sequence


class WorkloadKind(NamedTuple):
    """One row: a kind that owns pods.

    template, replicas, selector: where the pod template, the replica count and the pod selector stand; empty where the
    kind has none. long_running: its pods are meant to stay. stageable: a second set of its pods may serve beside it.
    """

    group: str
    kind: str
    template: tuple[str, ...] = ("spec", "template")
    replicas: tuple[str, ...] = ()
    selector: tuple[str, ...] = ("spec", "selector")
    long_running: bool = True
    stageable: bool = False


_REPLICAS = ("spec", "replicas")

WORKLOADS: tuple[WorkloadKind, ...] = (
    WorkloadKind("apps", "Deployment", replicas=_REPLICAS, stageable=True),
    WorkloadKind("apps", "StatefulSet", replicas=_REPLICAS),
    WorkloadKind("apps", "DaemonSet"),
    WorkloadKind("apps", "ReplicaSet", replicas=_REPLICAS, stageable=True),
    WorkloadKind("", "ReplicationController", replicas=_REPLICAS),
    WorkloadKind("", "Pod", template=(), selector=()),
    WorkloadKind("batch", "Job", long_running=False),
    WorkloadKind("batch", "CronJob", ("spec", "jobTemplate", "spec", "template"), selector=(), long_running=False),
    WorkloadKind("argoproj.io", "Rollout", replicas=_REPLICAS, stageable=True),
    WorkloadKind("apps.kruise.io", "CloneSet", replicas=_REPLICAS, stageable=True),
    WorkloadKind("apps.kruise.io", "StatefulSet", replicas=_REPLICAS),
    WorkloadKind("apps.kruise.io", "DaemonSet"),
    WorkloadKind("apps.openshift.io", "DeploymentConfig", replicas=_REPLICAS),
    WorkloadKind("serving.knative.dev", "Service", selector=()),
)
_BY_NAME = {(row.group, row.kind): row for row in WORKLOADS}


def workload_kind(group: str, kind: str) -> WorkloadKind | None:
    return _BY_NAME.get((group, kind))


def workload_of(obj: Mapping[str, Any]) -> WorkloadKind | None:
    """The row for an object, None where it owns no pods."""
    gvk = gvk_of(obj)
    return _BY_NAME.get((gvk.group, gvk.kind))


def pod_template(obj: Mapping[str, Any]) -> Object:
    """The pod template (metadata and spec); a Pod is its own; empty where the object owns no pods."""
    row = workload_of(obj)
    return mapping(obj, *row.template) if row else {}


def pod_spec(obj: Mapping[str, Any]) -> Object:
    return mapping(pod_template(obj), "spec")


def containers(template: Mapping[str, Any]) -> list[Object]:
    """The main containers of a pod template."""
    return [each for each in sequence(template, "spec", "containers") if isinstance(each, dict)]


def init_containers(template: Mapping[str, Any]) -> list[Object]:
    return [each for each in sequence(template, "spec", "initContainers") if isinstance(each, dict)]


def all_containers(template: Mapping[str, Any]) -> list[Object]:
    """Main and init containers, in the order in which they start."""
    return init_containers(template) + containers(template)


def sidecar(container: Mapping[str, Any]) -> bool:
    """Whether an init container is a native sidecar: it stays, and its probes count."""
    return container.get("restartPolicy") == "Always"


def container_name(container: Mapping[str, Any]) -> str:
    return str(container.get("name") or "")


def images(template: Mapping[str, Any]) -> list[str]:
    """The images of all containers, each once, in order."""
    found = (each.get("image") for each in all_containers(template))
    return list(dict.fromkeys(image for image in found if isinstance(image, str) and image))


def declared_replicas(obj: Mapping[str, Any]) -> int | None:
    """The replica count that the object states; None where it is omitted, unreadable or the kind has none."""
    row = workload_of(obj)
    count = dig(obj, *row.replicas) if row and row.replicas else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def counts_replicas(obj: Mapping[str, Any]) -> bool:
    row = workload_of(obj)
    return bool(row and row.replicas)


def template_labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return mapping(pod_template(obj), "metadata", "labels")


def selects_pod(obj: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the selector of a workload matches a pod's labels; without a selector its template's labels decide."""
    return pod_selector(obj)(labels)


def pod_selector(obj: Mapping[str, Any]) -> Callable[[Mapping[str, str]], bool]:
    """`selects_pod` of one workload, for many pods."""
    row = workload_of(obj)
    selector = mapping(obj, *row.selector) if row and row.selector else {}
    if row and row.kind in ("ReplicationController", "DeploymentConfig"):
        return partial(selects, selector)
    if not selector:
        return partial(selects, template_labels(obj))
    return partial(label_selector_matches, selector)


def ports(container: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """(name, number) of the declared ports; the name may be empty, ports without a number are left out."""
    for port in sequence(container, "ports"):
        number = dig(port, "containerPort")
        if isinstance(number, int) and not isinstance(number, bool):
            yield str(dig(port, "name") or ""), number
