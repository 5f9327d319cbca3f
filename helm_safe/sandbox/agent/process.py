"""One run of a make-believe container: from its start to its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass

from helm_safe.sandbox.agent.answers import Answering
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.logs import Log
from helm_safe.sandbox.agent.podspec import ContainerSpec
from helm_safe.sandbox.agent.roles import Behaviour, Role, tag_of
from helm_safe.sandbox.agent.server import Face, Listen, Listener

KILLED, TERMINATED = 137, 143
_DRAIN = 5.0
_SIGNATURES = {
    Role.CRASH: "FATAL panic: runtime error: invalid memory address or nil pointer dereference",
    Role.BROKEN: "FATAL unrecoverable error, exiting",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a process runs: its pod and the pod's address."""

    namespace: str
    pod: str
    address: str


class Process:
    """A container's process. `exited` becomes its exit code: by itself, by `stop` or by `kill`."""

    def __init__(
        self, identity: Identity, spec: ContainerSpec, behaviour: Behaviour, *, log: Log, clock: Clock, listen: Listen
    ) -> None:
        self.started = clock.now()
        self.answering = Answering(behaviour, self.started)
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._identity = identity
        self._spec = spec
        self._log = log
        self._clock = clock
        self._listen = listen
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def behaviour(self) -> Behaviour:
        return self.answering.behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from now on: the pod's annotations changed."""
        self.answering.behaviour = behaviour

    async def start(self) -> None:
        """Open the ports and begin the work; a port that is taken is an exit with code 1, as it is in real life."""
        own = self.behaviour
        self._log.write(f"INFO starting {self._spec.name} version {tag_of(self._spec.image) or 'latest'}")
        if own.log_line:
            self._log.write(own.log_line)
        if own.serves and own.exit_after != 0:
            await self._open_ports()
        if own.role is Role.CONSUMER:
            self._background(self._consume())
        if own.role is Role.COLD:
            self._log.write("INFO warming up: filling caches and connection pools")
        if own.exit_after is not None and not self.exited.done():
            self._background(self._exit_later(own.exit_after, own.exit_code))

    async def stop(self, grace: float) -> None:
        """SIGTERM: go on answering for the behaviour's time, then stop listening and exit; killed after `grace`."""
        if not self.exited.done():
            self._log.write("INFO SIGTERM received, shutting down")
            stay = self.behaviour.shutdown
            await asyncio.wait([self.exited], timeout=min(stay, grace))
            await self._close(min(_DRAIN, grace - stay) if 0 < stay < grace else 0.0)
            self._exit(KILLED if stay > grace else 0 if stay else TERMINATED)
        await self._close(0.0)

    async def kill(self) -> None:
        """SIGKILL: connections are cut, nothing is said."""
        self._exit(KILLED)
        await self._close(0.0)

    async def _open_ports(self) -> None:
        face = Face(
            pod=self._identity.pod,
            namespace=self._identity.namespace,
            container=self._spec.name,
            version=tag_of(self._spec.image) or "latest",
            image=self._spec.image,
            answering=self.answering,
            clock=self._clock,
            say=self._log.write,
        )
        for port in self._spec.ports:
            listen = _listen_grpc if port.grpc else self._listen
            try:
                self._listeners.append(await listen(self._identity.address, port.number, face))
            except OSError as error:
                self._log.write(f"FATAL cannot listen on {self._identity.address}:{port.number}: {error.strerror}")
                await self._close(0.0)
                self._exit(1)
                return
            self._log.write(f"INFO listening on {self._identity.address}:{port.number}")

    def _background(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _consume(self) -> None:
        offset = 0
        while True:
            await self._clock.sleep(self.behaviour.consume_every)
            offset += 1
            self._log.write(f"INFO consumed message from topic orders partition 0 offset {offset}")

    async def _exit_later(self, seconds: float, code: int) -> None:
        await self._clock.sleep(seconds)
        if code:
            self._log.write(_SIGNATURES.get(self.behaviour.role, f"ERROR exiting with code {code}"))
        self._exit(code)

    def _exit(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    async def _close(self, drain: float) -> None:
        """Stop the work and the listeners; it is fine to call it again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        listeners, self._listeners = self._listeners, []
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(each.close(drain) for each in listeners))


async def _listen_grpc(address: str, port: int, face: Face) -> Listener:
    """Load gRPC only for pods that speak it: it is large."""
    from helm_safe.sandbox.agent.grpc_server import listen_grpc

    return await listen_grpc(address, port, face)
