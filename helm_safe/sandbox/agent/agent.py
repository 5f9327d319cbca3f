"""The agent as a whole: one watch of the node's pods, a life for each of them."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from helm_safe.core.objects import Object, name_of, namespace_of
from helm_safe.sandbox.agent.addresses import Addresses
from helm_safe.sandbox.agent.api import Api, items, pod_path
from helm_safe.sandbox.agent.container import Means
from helm_safe.sandbox.agent.lifecycle import PodLife
from helm_safe.sandbox.agent.podspec import key_of, uid_of

_log = logging.getLogger(__name__)


class Pods:
    """The writes of a pod's life, over the API client."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def write_status(self, pod: Object, status: Object) -> None:
        path = pod_path(namespace_of(pod), name_of(pod))
        await self._api.patch(f"{path}/status", {"metadata": {"uid": uid_of(pod)}, "status": status})

    async def remove(self, pod: Object) -> None:
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        options["preconditions"] = {"uid": uid_of(pod)}
        await self._api.delete(pod_path(namespace_of(pod), name_of(pod)), options)


class Agent:
    """Follows the pods bound to the node; `lives` is by uid."""

    def __init__(self, api: Api, means: Means, addresses: Addresses, *, node: str, host: str) -> None:
        self.lives: dict[str, PodLife] = {}
        self._api = api
        self._pods = Pods(api)
        self._means = means
        self._addresses = addresses
        self._node = node
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, namespace: str, name: str, uid: str = "") -> PodLife | None:
        """The life of a pod by name; the newest where an old one of that name is still ending."""
        found = [each for each in self.lives.values() if key_of(each.pod) == f"{namespace}/{name}"]
        return next((each for each in reversed(found) if uid in ("", uid_of(each.pod))), None)

    async def run(self) -> None:
        selector = f"spec.nodeName={self._node}"
        async for kind, item in self._api.list_and_watch("/api/v1/pods", selector):
            if kind == "LISTED":
                self._listed(items(item))
            elif kind == "DELETED":
                self._deleted(uid_of(item))
            else:
                self._seen(item)

    def _listed(self, pods: list[Object]) -> None:
        present = {uid_of(pod) for pod in pods}
        for uid in [uid for uid in self.lives if uid not in present]:
            self._deleted(uid)
        for pod in pods:
            self._seen(pod)

    def _seen(self, pod: Object) -> None:
        life = self.lives.get(uid_of(pod))
        if life:
            life.update(pod)
            return
        life = self.lives[uid_of(pod)] = PodLife(pod, self._means, self._pods, self._addresses, self._host)
        task = asyncio.create_task(life.run())
        self._tasks.add(task)
        task.add_done_callback(partial(self._over, life))

    def _deleted(self, uid: str) -> None:
        life = self.lives.get(uid)
        if life:
            life.gone()

    def _over(self, life: PodLife, task: asyncio.Task[None]) -> None:
        """What goes wrong in one pod's life is told and stays with that pod: the others live on."""
        self._tasks.discard(task)
        self.lives.pop(uid_of(life.pod), None)
        error = None if task.cancelled() else task.exception()
        if error:
            _log.error("the life of pod %s ended early", key_of(life.pod), exc_info=error)
