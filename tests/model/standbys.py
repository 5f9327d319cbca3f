"""A release of two revisions, of which one workload gets a standby."""

from __future__ import annotations

from typing import Any

from helm_safe.core.objects import Object, ref_of
from helm_safe.core.workloads import template_labels
from helm_safe.model.changes import Change
from helm_safe.model.staging import Staging, staging_of
from helm_safe.model.standby import joined_labels, standby_objects
from tests.checks.world import container, deployment, obj, ref, revision, service

ROUTE = ref("HTTPRoute", "web", "gateway.networking.k8s.io")


class Case:
    """A release of two revisions whose Deployment web changed its image; `routed` names the Services of routes."""

    def __init__(
        self,
        target: list[Object],
        live: list[Object],
        current: list[Object] | None = None,
        routed: tuple[str, ...] = ("web",),
    ) -> None:
        self.live = {ref_of(each): each for each in live}
        self.change = Change(revision(2, *(live if current is None else current)), revision(1, *target))
        self.staging: Staging = staging_of(self.change, self.live, dict.fromkeys(routed, (ROUTE,)))

    def objects(self) -> list[Object]:
        return standby_objects(self.staging, self.change, self.live, "r1", "shop")

    def made(self, kind: str, name: str) -> Object:
        found = [each for each in self.objects() if each["kind"] == kind and each["metadata"]["name"] == name]
        assert len(found) == 1, [str(ref_of(each)) for each in self.objects()]
        return found[0]

    def names(self) -> list[str]:
        return [str(ref_of(each)) for each in self.objects()]

    def worn(self) -> dict[str, str]:
        return template_labels(self.made("Deployment", "web-standby"))

    def changed(self) -> dict[str, str]:
        return joined_labels(self.staging, self.change, self.live, "r1", "shop")["web-standby"].returned


def web(labels: Object | None = None, image: str = "registry.example/shop:1", **fields: Any) -> Object:
    """A Deployment whose pods wear `labels`; selector: its own, all labels unless given."""
    labels = labels or {"app": "web"}
    selector = fields.pop("selector", {"matchLabels": dict(labels)})
    made = deployment("web", container(image=image, **fields.pop("container", {})), **fields)
    made["spec"]["selector"] = selector
    made["spec"]["template"]["metadata"]["labels"] = dict(labels)
    return made


def two(labels: Object | None = None, **fields: Any) -> tuple[Object, Object]:
    """(target, live) of a Deployment that changed its image."""
    return web(labels, **fields), web(labels, image="registry.example/shop:2", **fields)


def selecting(name: str, **selector: str) -> Object:
    return service(name, selector={key.replace("__", "/").replace("_", "-"): value for key, value in selector.items()})


def budget(**selector: Any) -> Object:
    return obj("PodDisruptionBudget", "web", "policy", spec={"minAvailable": 1, "selector": selector})


def policy(name: str, selector: Object, **spec: Any) -> Object:
    return obj("NetworkPolicy", name, "networking.k8s.io", spec={"podSelector": selector, **spec})
