"""One container of a pod over all its runs: image, configuration, restarts, probes and its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from helm_safe.core.objects import Object, dig, mapping, name_of, namespace_of
from helm_safe.sandbox.agent import roles
from helm_safe.sandbox.agent.api import NO_ANSWER
from helm_safe.sandbox.agent.backoff import BackOff, seconds
from helm_safe.sandbox.agent.clock import Clock, stamp
from helm_safe.sandbox.agent.events import Recorder
from helm_safe.sandbox.agent.images import Images
from helm_safe.sandbox.agent.logs import Logs
from helm_safe.sandbox.agent.podspec import ContainerSpec, grace_seconds, parameters, pre_stop, uid_of
from helm_safe.sandbox.agent.probes import Kind, Outcome, ProbeSpec, Tracker, probe_specs
from helm_safe.sandbox.agent.probing import Result, Subject, sleep_of
from helm_safe.sandbox.agent.process import Identity, Process
from helm_safe.sandbox.agent.references import MissingReference, References
from helm_safe.sandbox.agent.server import Listen

_RESYNC = 2.0
_LEAST_GRACE = 2.0


class Probing(Protocol):
    async def probe(self, probe: ProbeSpec, subject: Subject) -> Result: ...
    async def hook_request(self, action: Object, subject: Subject) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What every pod's life needs. backoff: seconds before the second restart, doubled up to backoff_cap."""

    clock: Clock
    events: Recorder
    logs: Logs
    references: References
    prober: Probing
    listen: Listen
    backoff: float = 10.0
    backoff_cap: float = 300.0
    dice: Random = field(default_factory=Random)
    images: Images = field(default_factory=Images)


class Room(Protocol):
    """The pod around a container. ending: it is being deleted, or its main containers have ended."""

    pod: Object
    address: str
    ending: bool
    means: Means

    def changed(self) -> None: ...


class Container:
    """Leads one container; `run` ends when it is not to be started again."""

    def __init__(self, room: Room, spec: ContainerSpec, known: Object) -> None:
        self.spec = spec
        self.started = False
        self.process: Process | None = None
        self.restarts = -1
        self._room = room
        self._means = room.means
        self._state: Object = {"waiting": {"reason": "ContainerCreating" if spec.stays else "PodInitializing"}}
        self._last: Object = {}
        self._id = ""
        self._env: dict[str, str] = {}
        self._trackers = {
            kind: Tracker(probe) for kind, probe in (probe_specs(spec.body) if spec.stays else {}).items()
        }
        self._nudge = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._adopt(known)
        given = parameters(room.pod, spec)
        base = roles.seconds(given, "restart-backoff")
        self._backoff = BackOff(room.means.backoff if base is None else base, room.means.backoff_cap)

    def _adopt(self, known: Object) -> None:
        """Go on from what an earlier agent reported: its container is gone, and this one is a restart of it."""
        if not known.get("containerID"):
            return
        self.restarts = int(known.get("restartCount") or 0)
        ended = dig(known, "state", "terminated")
        at = stamp(self._means.clock.wall())
        lost = {"exitCode": 255, "reason": "Unknown", "startedAt": at, "finishedAt": at}
        self._last = {"terminated": ended or lost | {"containerID": known["containerID"]}}

    @property
    def running(self) -> bool:
        return "running" in self._state

    @property
    def waiting_reason(self) -> str:
        return str(dig(self._state, "waiting", "reason") or "")

    @property
    def ready(self) -> bool:
        """Running, started, and its readiness probe, where it has one, says so; an init container: done."""
        if not self.spec.stays:
            return bool(dig(self._state, "terminated", "exitCode") == 0)
        readiness = self._trackers.get(Kind.READINESS)
        return self.running and self.started and (readiness is None or readiness.result is True)

    @property
    def status(self) -> Object:
        tag = self.spec.image if "@" in self.spec.image else f"{self.spec.image}@sandbox"
        return {
            "name": self.spec.name,
            "image": self.spec.image,
            "imageID": tag if self._id else "",
            "containerID": self._id,
            "ready": self.ready,
            "started": self.running and self.started,
            "restartCount": max(0, self.restarts),
            "state": self._state,
            "lastState": self._last,
        }

    def behave(self) -> None:
        """The pod's annotations changed: a running process follows."""
        if self.process:
            self.process.behave(self._behaviour())

    async def run(self) -> int:
        """Start, and start again as the restart policy says. Returns the exit code of the last run."""
        probes = [asyncio.create_task(self._probe(tracker)) for tracker in self._trackers.values()]
        try:
            while True:
                self._env = await self._prepare()
                code = await self._run_once()
                if not self._again(code):
                    return code
                await self._back_off()
        finally:
            for task in probes:
                task.cancel()

    async def end(self, grace: float) -> None:
        """The preStop hook, SIGTERM, and SIGKILL once `grace` seconds are over."""
        process = self.process
        if process is None or process.exited.done():
            return
        began = self._means.clock.now()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._pre_stop(), grace)
        left = grace - (self._means.clock.now() - began)
        await process.stop(max(left, _LEAST_GRACE))

    async def kill(self) -> None:
        if self.process:
            await self.process.kill()

    def _again(self, code: int) -> bool:
        if self._room.ending or self.spec.restart == "Never":
            return False
        if self.spec.sidecar:
            return True
        return code != 0 or (self.spec.restart == "Always" and not self.spec.init)

    # Before a run: image, configuration

    async def _prepare(self) -> dict[str, str]:
        pulling = BackOff(self._means.backoff, self._means.backoff_cap)
        while reason := roles.pull_error(self.spec.image, parameters(self._room.pod, self.spec)):
            await self._pull_failed(pulling, reason)
        if self.restarts < 0:
            self._say("Normal", "Pulled", f'Container image "{self.spec.image}" already present on machine')
        while True:
            try:
                return await self._means.references.environment(self._room.pod, self.spec.body)
            except MissingReference as error:
                self._wait("CreateContainerConfigError", str(error))
                self._say("Warning", "Failed", f"Error: {error}")
            await self._means.clock.sleep(_RESYNC)

    async def _pull_failed(self, pulling: BackOff, reason: str) -> None:
        image, now = self.spec.image, self._means.clock.now()
        self._say("Warning", "Failed", f'Failed to pull image "{image}": {reason}')
        self._say("Warning", "Failed", "Error: ErrImagePull")
        self._wait("ErrImagePull", reason)
        pulling.advance(now)
        await self._means.clock.sleep(min(1.0, pulling.wait))
        self._say("Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._say("Warning", "Failed", "Error: ImagePullBackOff")
        self._wait("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {reason}')
        await self._means.clock.sleep(pulling.remaining(now, self._means.clock.now()))

    def _wait(self, reason: str, message: str) -> None:
        waiting = {"reason": reason, "message": message}
        if self._state.get("waiting") != waiting:
            self._state = {"waiting": waiting}
            self._room.changed()

    # A run

    async def _run_once(self) -> int:
        process = self._process()
        try:
            await process.start()
            self._begin(process)
            code = await asyncio.shield(process.exited)
        finally:
            await process.kill()
        self._ended(code)
        return code

    def _process(self) -> Process:
        pod = self._room.pod
        self.restarts += 1
        log = self._means.logs.open(namespace_of(pod), uid_of(pod), self.spec.name, self.restarts)
        return Process(
            Identity(namespace_of(pod), name_of(pod), self._room.address),
            self.spec,
            self._behaviour(),
            log=log,
            clock=self._means.clock,
            listen=self._means.listen,
        )

    def _behaviour(self) -> roles.Behaviour:
        given = parameters(self._room.pod, self.spec) | roles.environment_parameters(self._env)
        ends = self.spec.restart != "Always" or not self.spec.stays
        return roles.behaviour(self.spec.image, given, ends=ends, init=not self.spec.stays)

    def _begin(self, process: Process) -> None:
        self.process = process
        self._means.images.ran(self.spec.image)
        self._id = f"sandbox://{self._means.dice.getrandbits(256):064x}"
        self._state = {"running": {"startedAt": stamp(self._means.clock.wall(process.started))}}
        for tracker in self._trackers.values():
            tracker.new_container()
        self.started = Kind.STARTUP not in self._trackers
        self._say("Normal", "Created", "Container created")
        self._say("Normal", "Started", "Container started")
        self._nudge.set()
        self._room.changed()

    def _ended(self, code: int) -> None:
        began = self._means.clock.wall(self.process.started) if self.process else self._means.clock.wall()
        self.started = False
        terminated = {
            "exitCode": code,
            "reason": self._ending_word(code),
            "startedAt": stamp(began),
            "finishedAt": stamp(self._means.clock.wall()),
            "containerID": self._id,
        }
        self._state = {"terminated": terminated}
        self._room.changed()

    def _ending_word(self, code: int) -> str:
        if not code:
            return "Completed"
        return self.process.behaviour.ending if self.process else "Error"

    async def _back_off(self) -> None:
        clock, ended = self._means.clock, self._means.clock.now()
        wait = self._backoff.remaining(ended, ended)
        self._last = self._state
        if wait > 0:
            pod = self._room.pod
            where = f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
            message = f"back-off {seconds(wait)} restarting failed container={self.spec.name} pod={where}"
            self._wait("CrashLoopBackOff", message)
            self._say("Warning", "BackOff", f"Back-off restarting failed container {self.spec.name} in pod {where}")
            await clock.sleep(wait)
        self._backoff.advance(ended)

    # Probes

    async def _probe(self, tracker: Tracker) -> None:
        """Tick each period, counted from the pod's beginning; readiness also at once when it begins to count."""
        readiness = tracker.spec.kind is Kind.READINESS
        while True:
            await self._tick(tracker)
            if not readiness:
                await self._means.clock.sleep(tracker.spec.period)
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), tracker.spec.period)
            self._nudge.clear()

    async def _tick(self, tracker: Tracker) -> None:
        process = self.process
        if process is None or not self.running:
            return
        age = self._means.clock.now() - process.started
        if not tracker.due(age=age, started=self.started, ending=self._room.ending):
            return
        subject = Subject(self.spec, self._room.address, process.behaviour.exec_fails)
        result = await self._means.prober.probe(tracker.spec, subject)
        if self.process is process and not process.exited.done():
            self._judge(tracker, result)

    def _judge(self, tracker: Tracker, result: Result) -> None:
        kind = tracker.spec.kind
        if result.outcome is Outcome.FAILURE:
            self._say("Warning", "Unhealthy", f"{kind.word} probe failed: {result.output}")
        elif result.outcome is Outcome.ERROR:
            said = f"{kind.word} probe errored and resulted in unknown state: {result.output}"
            self._say("Warning", "Unhealthy", said)
        before, verdict = self.ready, tracker.record(result.outcome)
        if verdict and kind is Kind.STARTUP:
            self.started = True
            self._nudge.set()
            self._room.changed()
        elif verdict is False and kind is not Kind.READINESS:
            self._restart(tracker.spec)
        if self.ready is not before:
            self._room.changed()

    def _restart(self, probe: ProbeSpec) -> None:
        """A failed liveness or startup probe ends this run; `run` starts the next one."""
        self._say("Normal", "Killing", f"Container {self.spec.name} failed {probe.kind.value} probe, will be restarted")
        spec_grace = grace_seconds({"spec": mapping(self._room.pod, "spec")})
        self._ending = asyncio.create_task(self.end(spec_grace if probe.grace is None else probe.grace))

    async def _pre_stop(self) -> None:
        hook = pre_stop(self.spec)
        wait = dig(hook, "sleep", "seconds")
        pause = float(wait) if isinstance(wait, int) else sleep_of(dig(hook, "exec", "command"))
        await self._means.clock.sleep(pause) if pause else None
        if action := mapping(hook, "httpGet"):
            try:
                await self._means.prober.hook_request(action, Subject(self.spec, self._room.address))
            except (*NO_ANSWER, ValueError) as error:
                self._say("Warning", "FailedPreStopHook", f"PreStopHook failed: {error}")

    def _say(self, kind: str, reason: str, message: str) -> None:
        self._means.events.record(self._room.pod, kind, reason, message, self.spec.name)
