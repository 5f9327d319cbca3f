"""Workloads among the items: pod templates, the containers that are the team's own, and the ports that Services use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from helm_safe.core.annotations import HOOK
from helm_safe.core.objects import Object, dig, mapping, selects, sequence
from helm_safe.core.workloads import WorkloadKind, container_name, workload_of
from krm_fn.items import Item, Items, Path

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

_SIDECAR_NAMES = re.compile(
    r"istio-proxy|linkerd-proxy|envoy(?:-sidecar)?|consul-dataplane|kuma-sidecar|daprd|vault-agent(?:-init)?"
    r"|cloud-?sql-proxy|cloudsql-proxy|fluent-?bit|fluentd|filebeat|promtail|vector|otel-collector|otc-container"
    r"|opentelemetry-collector|datadog-agent|jaeger-agent|config-reloader|oauth2?-proxy|kube-rbac-proxy"
    r"|.*-sidecar|sidecar-.*|sidecar|.*-exporter"
)
_SIDECAR_IMAGES = re.compile(
    r"proxyv2|proxy-init|envoy|linkerd.*|cloud-sql-proxy|gce-proxy|fluent-bit|fluentd|filebeat|promtail|vector"
    r"|opentelemetry-collector.*|daprd|vault|oauth2-proxy|kube-rbac-proxy|configmap-reload|.*-exporter"
    r"|prometheus-config-reloader|k8s-sidecar|git-sync"
)


class Workload:
    """An item that keeps pods running. path: where its pod template stands."""

    __slots__ = ("item", "path", "services", "template")

    def __init__(self, item: Item, path: Path, services: list[Object]) -> None:
        self.item = item
        self.path = path
        self.template: Object = mapping(item.data, *path)
        self.services = services

    @property
    def labels(self) -> dict[str, Any]:
        return mapping(self.template, "metadata", "labels")

    @property
    def containers(self) -> list[tuple[Path, Object]]:
        """The main containers with their places."""
        place = (*self.path, "spec", "containers")
        found = enumerate(sequence(self.template, "spec", "containers"))
        return [((*place, index), each) for index, each in found if isinstance(each, dict)]

    @property
    def own_containers(self) -> list[tuple[Path, Object]]:
        """The main containers without side-cars."""
        chosen = mapping(self.template, "metadata", "annotations").get(DEFAULT_CONTAINER)
        return [each for each in self.containers if container_name(each[1]) == chosen or not is_sidecar(each[1])]

    def served_ports(self) -> set[str]:
        """Names and numbers of the ports to which Services of the build send requests.

        A headless Service in front of a StatefulSet is how its pods find each other, also before they are ready.
        """
        peers = self.item.kind == "StatefulSet"
        balancing = [each for each in self.services if not (peers and dig(each, "spec", "clusterIP") == "None")]
        found = (port for service in balancing for port in sequence(service, "spec", "ports"))
        return {str(dig(port, "targetPort") or dig(port, "port")) for port in found if is_tcp(port)}


def workloads(items: Items, further: Iterable[Mapping[str, Any]] = ()) -> Iterator[Workload]:
    """The workloads whose pods are meant to stay. further: kinds of the config, with group, kind and template."""
    kinds = {(row["group"], row["kind"]): tuple(row["template"].split(".")) for row in further}
    services = _services(items)
    for item in items:
        path = _template_path(item, kinds)
        if path is None or HOOK in item.annotations:
            continue
        workload = Workload(item, path, [])
        if _stays(workload):
            labels = workload.labels
            workload.services = [each for each in services.get(item.namespace, ()) if _selects(each, labels)]
            yield workload


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """A container that somebody else wrote and that knows how to be probed: a proxy, a log shipper, an exporter."""
    image = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return bool(_SIDECAR_NAMES.fullmatch(container_name(container)) or _SIDECAR_IMAGES.fullmatch(image))


def _template_path(item: Item, kinds: Mapping[tuple[str, str], tuple[str, ...]]) -> Path | None:
    gvk = item.gvk
    if (gvk.group, gvk.kind) in kinds:
        return kinds[gvk.group, gvk.kind]
    row: WorkloadKind | None = workload_of(item.data)
    if row is None or not row.long_running:
        return None
    if row.template and dig(item.data, *row.template) is None and dig(item.data, "spec", "workloadRef"):
        return None  # a Rollout that borrows the template of a Deployment
    return row.template


def _stays(workload: Workload) -> bool:
    return dig(workload.template, "spec", "restartPolicy") in (None, "Always")


def _services(items: Items) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for item in items.of("Service", ""):
        found.setdefault(item.namespace, []).append(item.data)
    return found


def _selects(service: Object, labels: Mapping[str, Any]) -> bool:
    return selects(mapping(service, "spec", "selector"), labels)


def is_tcp(port: Any) -> bool:
    """Whether a port of a container or Service speaks TCP, which is what stands for nothing."""
    return dig(port, "protocol") in (None, "TCP")
