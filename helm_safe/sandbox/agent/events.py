"""Events about pods, repetitions counted in one object as the kubelet's recorder counts them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from helm_safe.core.objects import Object, dig, name_of, namespace_of
from helm_safe.sandbox.agent.api import NO_ANSWER, ApiError
from helm_safe.sandbox.agent.clock import Clock, stamp
from helm_safe.sandbox.agent.podspec import uid_of

_REMEMBERED = 4096
_PAUSE = 0.5
_log = logging.getLogger(__name__)


class EventApi(Protocol):
    async def create(self, path: str, body: Object) -> Object: ...
    async def patch(self, path: str, body: Object) -> Object: ...


@dataclass(slots=True)
class _Entry:
    body: Object
    count: int = 0
    written: int = 0


class Recorder:
    """Collects events; `run` writes them, each repeated one at most twice a second, whatever happens to the pods."""

    def __init__(self, api: EventApi, clock: Clock, *, component: str, node: str) -> None:
        self._api = api
        self._clock = clock
        self._source = {"component": component, "host": node}
        self._known: OrderedDict[tuple[str, ...], _Entry] = OrderedDict()
        self._dirty: dict[tuple[str, ...], _Entry] = {}
        self._wake = asyncio.Event()

    def record(self, pod: Mapping[str, Any], kind: str, reason: str, message: str, container: str = "") -> None:
        """Note an event of type Normal or Warning about a pod, or about one of its containers."""
        key = (uid_of(pod), container, kind, reason, message)
        entry = self._known.get(key)
        if entry is None:
            entry = self._known[key] = _Entry(self._body(pod, kind, reason, message, container))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        entry.count += 1
        entry.body |= {"count": entry.count, "lastTimestamp": stamp(self._clock.wall())}
        self._dirty[key] = entry
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._dirty = self._dirty, {}
            for entry in batch.values():
                await self._write(entry)
            await self._clock.sleep(_PAUSE)

    async def _write(self, entry: _Entry) -> None:
        folder = f"/api/v1/namespaces/{entry.body['metadata']['namespace']}/events"
        change = {"count": entry.count, "lastTimestamp": entry.body["lastTimestamp"]}
        try:
            if entry.written:
                await self._api.patch(f"{folder}/{entry.body['metadata']['name']}", change)
            else:
                await self._api.create(folder, entry.body)
            entry.written = entry.count
        except (ApiError, *NO_ANSWER) as error:
            # An event is a courtesy: its namespace may be going away, and nothing waits for it.
            _log.info("an event was not written: %s", error)

    def _body(self, pod: Mapping[str, Any], kind: str, reason: str, message: str, container: str) -> Object:
        now = self._clock.wall()
        serial = f"{int(now.timestamp() * 1e9):x}{len(self._known):x}"
        involved = {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
            "resourceVersion": dig(pod, "metadata", "resourceVersion"),
        }
        if container:
            involved["fieldPath"] = f"spec.containers{{{container}}}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name_of(pod)}.{serial}"[-253:].lstrip(".-"), "namespace": namespace_of(pod)},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source["host"],
            "firstTimestamp": stamp(now),
        }
