"""One pod from its binding to its end: address, mounts, init containers, main containers, graceful termination."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

from helm_safe.core.objects import Object, annotations_of, dig, namespace_of
from helm_safe.sandbox.agent.addresses import Addresses
from helm_safe.sandbox.agent.api import NO_ANSWER, ApiError
from helm_safe.sandbox.agent.clock import stamp
from helm_safe.sandbox.agent.container import Container, Means
from helm_safe.sandbox.agent.podspec import (
    container_specs,
    deleted,
    finished,
    grace_seconds,
    key_of,
    known_status,
    uid_of,
)
from helm_safe.sandbox.agent.references import MissingReference
from helm_safe.sandbox.agent.status import Contained, Facts, pod_status

_COALESCE = 0.02
_RESYNC = 2.0
_log = logging.getLogger(__name__)


class PodApi(Protocol):
    """What a pod's life writes."""

    async def write_status(self, pod: Object, status: Object) -> None: ...
    async def remove(self, pod: Object) -> None: ...


class PodLife:
    """Leads one pod; `run` ends when its object is gone."""

    def __init__(self, pod: Object, means: Means, api: PodApi, addresses: Addresses, host: str) -> None:
        self.pod = pod
        self.means = means
        self.ending = False
        self.address = ""
        self._held = ""
        self._api = api
        self._addresses = addresses
        self._host = host
        self._start = str(dig(pod, "status", "startTime") or stamp(means.clock.wall()))
        self.containers = [Container(self, spec, known_status(pod, spec.name)) for spec in container_specs(pod)]
        self._network = False
        self._final = False
        self._gone = asyncio.Event()
        self._deleted = asyncio.Event()
        self._dirty = asyncio.Event()
        self._writing = asyncio.Lock()
        self._sidecars_end = asyncio.Lock()
        self._deadline: float | None = None
        self._written: Object = {}
        if deleted(pod):
            self._deleted.set()

    def update(self, pod: Object) -> None:
        """The object changed in the API."""
        before, self.pod = self.pod, pod
        if annotations_of(before) != annotations_of(pod):
            for each in self.containers:
                each.behave()
        if deleted(pod):
            self._deleted.set()
        self.changed()

    def gone(self) -> None:
        """The object is no more: nothing has grace any longer."""
        self._gone.set()

    def changed(self) -> None:
        self._dirty.set()

    async def run(self) -> None:
        if finished(self.pod):
            await self._wait_for(self._deleted)
        else:
            publisher = asyncio.create_task(self._publish_changes())
            try:
                await self._live()
            finally:
                publisher.cancel()
                self._release()
        while not self._gone.is_set():
            self._dirty.clear()
            await self._attempt(self._api.remove(self.pod))
            await self._wait_for(self._dirty)
        self.means.logs.remove(namespace_of(self.pod), uid_of(self.pod))

    # Life

    async def _live(self) -> None:
        self._settle()
        life = asyncio.create_task(self._contain())
        try:
            await self._wait_for(self._deleted, life)
            if life.done():
                life.result()
                self._release()
                await self._publish()
                await self._wait_for(self._deleted)
            elif not self._gone.is_set():
                await self._terminate(life)
        finally:
            self.ending = True
            life.cancel()
            with suppress(asyncio.CancelledError):
                await life
            await asyncio.gather(*(each.kill() for each in self.containers))

    def _settle(self) -> None:
        """Take an address: the node's for a pod on the host's network, else the one it had, else a new one."""
        if dig(self.pod, "spec", "hostNetwork") is True:
            self.address = self._host
            return
        had = str(dig(self.pod, "status", "podIP") or "")
        self._held = had if had and self._addresses.claim(had) else self._addresses.take(self.means.clock.now())
        self.address = self._held

    def _release(self) -> None:
        address, self._held = self._held, ""
        if address:
            self._addresses.give_back(address, self.means.clock.now())

    async def _contain(self) -> None:
        """Everything between the mounts and the exit of the last main container."""
        self.changed()
        await self._mount()
        self._network = True
        sidecars: list[asyncio.Task[int]] = []
        try:
            if await self._initialize(sidecars):
                mains = [each for each in self.containers if not each.spec.init]
                await asyncio.gather(*(each.run() for each in mains))
                self.ending = True
                await self._end_sidecars()
        finally:
            for task in sidecars:
                task.cancel()
            await asyncio.gather(*sidecars, return_exceptions=True)

    async def _mount(self) -> None:
        while True:
            try:
                await self.means.references.mounted(self.pod)
                return
            except MissingReference as error:
                self.means.events.record(self.pod, "Warning", "FailedMount", str(error))
            await self.means.clock.sleep(_RESYNC)

    async def _initialize(self, sidecars: list[asyncio.Task[int]]) -> bool:
        """Init containers one after the other; False where one has failed for good."""
        for each in (each for each in self.containers if each.spec.init):
            if each.spec.sidecar:
                sidecars.append(asyncio.create_task(each.run()))
                while not each.started:
                    await self.means.clock.sleep(0.05)
            elif await each.run() != 0:
                return False
        return True

    # The end

    async def _terminate(self, life: asyncio.Task[None]) -> None:
        """As the kubelet: main containers first, sidecars in what is left of the grace period, in reverse order."""
        self.ending = True
        grace = grace_seconds(self.pod)
        self._deadline = self.means.clock.now() + grace
        mains = [each for each in self.containers if not each.spec.sidecar and each.running]
        for each in mains:
            self.means.events.record(
                self.pod, "Normal", "Killing", f"Stopping container {each.spec.name}", each.spec.name
            )
        await self._unless_gone(asyncio.gather(*(each.end(grace) for each in mains)))
        await self._unless_gone(self._end_sidecars())
        # The containers' own tasks note the exits; those that only wait (a back-off, an image) have no exit to note.
        await asyncio.wait([life], timeout=0.05)
        self._final = True
        if not self._gone.is_set():
            await self._publish()

    async def _end_sidecars(self) -> None:
        """One caller ends them; another one waits until they are."""
        async with self._sidecars_end:
            for each in reversed([each for each in self.containers if each.spec.sidecar and each.running]):
                now = self.means.clock.now()
                deadline = now + grace_seconds(self.pod) if self._deadline is None else self._deadline
                await each.end(max(0.0, deadline - now))

    async def _unless_gone(self, work: Awaitable[Any]) -> None:
        """Await the work, but no longer than the pod's object exists."""
        task = asyncio.ensure_future(work)
        await self._wait_for(self._gone, task)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _wait_for(self, event: asyncio.Event, task: asyncio.Future[Any] | None = None) -> None:
        """Until the event, the end of the task, or the end of the pod's object."""
        waits = [asyncio.create_task(each.wait()) for each in {event, self._gone}]
        try:
            await asyncio.wait([*waits, *([task] if task else [])], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # Status

    async def _publish_changes(self) -> None:
        while True:
            await self._dirty.wait()
            await self.means.clock.sleep(_COALESCE)
            self._dirty.clear()
            await self._publish()

    async def _publish(self) -> None:
        """Write the status where it differs from what was written last."""
        async with self._writing:
            status = self._status()
            if status != self._written and await self._attempt(self._api.write_status(self.pod, status)):
                self._written = status

    def _status(self) -> Object:
        now = stamp(self.means.clock.wall())
        shown = self.address if self._network else str(dig(self.pod, "status", "podIP") or "")
        facts = Facts(self._start, now, self._host, shown, network=self._network, ending=self._final)
        contained = [Contained(each.spec, each.status) for each in self.containers]
        return pod_status(self.pod, facts, contained, self._written)

    async def _attempt(self, work: Awaitable[None]) -> bool:
        """Carry out a write. A failed one is tried again with the next change, and one that came too late is moot."""
        try:
            await work
        except ApiError as error:
            if error.status not in (404, 409):
                _log.warning("pod %s: %s", key_of(self.pod), error)
            if error.status >= 500:
                self._dirty.set()
            return False
        except NO_ANSWER as error:
            _log.warning("pod %s: %s", key_of(self.pod), error)
            self._dirty.set()
            return False
        return True
