"""The agent's Node: created, kept Ready by its Lease, and registered again when somebody deletes it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass

from helm_safe.core.objects import Object, annotations_of, dig
from helm_safe.sandbox.agent.api import MERGE, NO_ANSWER, Api, ApiError
from helm_safe.sandbox.agent.clock import Clock, micro_stamp, stamp
from helm_safe.sandbox.agent.images import Images
from helm_safe.sandbox.agent.podspec import PREFIX

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_HEALTHY = (("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True"))
NOT_READY = f"{PREFIX}not-ready"
"""The Node's annotation by which a node in trouble is played; its value is what the condition says."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """name and address of the node; port of its kubelet API."""

    name: str
    address: str
    port: int = 10250
    version: str = "v1.36.3"

    def manifest(self, now: str, trouble: str = "") -> Object:
        """trouble: why it is not ready."""
        resources = {"cpu": "64", "memory": "256Gi", "pods": "2000", "ephemeral-storage": "1Ti"}
        conditions = [
            {"type": kind, "status": status, "reason": "Sandbox", "lastHeartbeatTime": now, "lastTransitionTime": now}
            for kind, status in _HEALTHY
        ]
        if trouble:
            conditions[-1] |= {"status": "False", "reason": "KubeletNotReady", "message": trouble}
        status = {
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": self.address},
                {"type": "Hostname", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "nodeInfo": self._info(),
        }
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "status": status,
        }

    def _info(self) -> Object:
        return {
            "machineID": "sandbox",
            "systemUUID": "sandbox",
            "bootID": "sandbox",
            "kernelVersion": "sandbox",
            "osImage": "helm-safe sandbox",
            "containerRuntimeVersion": "sandbox://1",
            "kubeletVersion": self.version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        }


class Node:
    """Keeps the Node and its Lease alive; `run` never ends."""

    def __init__(self, api: Api, clock: Clock, facts: NodeFacts, images: Images, *, heartbeat: float = 5.0) -> None:
        self._api = api
        self._clock = clock
        self._facts = facts
        self._images = images
        self._heartbeat = heartbeat
        self._uid = ""

    async def run(self) -> None:
        while True:
            try:
                await self.beat()
            except (ApiError, *NO_ANSWER) as error:
                # Early on the Lease's namespace is not there yet; later the next beat repairs what this one missed.
                _log.info("the node's heartbeat failed: %s", error)
                await self._clock.sleep(0.5)
                continue
            await self._clock.sleep(self._heartbeat)

    async def beat(self) -> None:
        """Register where the Node is absent or new, tell of new images, then renew the Lease."""
        found = await _or_none(self._api.get(f"/api/v1/nodes/{self._facts.name}"))
        wanted = not (annotations_of(found) if found else {}).get(NOT_READY)
        if found is None or dig(found, "metadata", "uid") != self._uid or _ready(found) is not wanted:
            await self._register(found)
        images = self._images.report()
        if images != (dig(found, "status", "images") or []):
            await self._api.patch(f"/api/v1/nodes/{self._facts.name}/status", {"status": {"images": images}})
        await self._renew()

    async def _register(self, found: Object | None) -> None:
        trouble = annotations_of(found).get(NOT_READY, "") if found else ""
        manifest = self._facts.manifest(stamp(self._clock.wall()), trouble)
        if found is None:
            found = await self._api.create("/api/v1/nodes", manifest)
        path = f"/api/v1/nodes/{self._facts.name}"
        await self._api.patch(f"{path}/status", {"status": manifest["status"]})
        self._uid = str(dig(found, "metadata", "uid"))

    async def _renew(self) -> None:
        name, now = self._facts.name, micro_stamp(self._clock.wall())
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
        try:
            await self._api.patch(f"{LEASES}/{name}", {"spec": spec}, MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uid}
            metadata = {"name": name, "ownerReferences": [owner]}
            await self._api.create(
                LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            )


def _ready(node: Object) -> bool:
    conditions = dig(node, "status", "conditions") or []
    return any(dig(each, "type") == "Ready" and dig(each, "status") == "True" for each in conditions)


async def _or_none(request: Awaitable[Object]) -> Object | None:
    try:
        return await request
    except ApiError as error:
        if error.status != 404:
            raise
        return None
