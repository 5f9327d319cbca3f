"""A world without sockets and with its own time: a minute of a pod's life takes a millisecond."""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass, field
from random import Random

import pytest

from helm_safe.sandbox.agent.addresses import Addresses
from helm_safe.sandbox.agent.api import ApiError
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.container import Means
from helm_safe.sandbox.agent.lifecycle import PodLife
from helm_safe.sandbox.agent.logs import Logs
from helm_safe.sandbox.agent.probes import Outcome
from helm_safe.sandbox.agent.probing import Result
from helm_safe.sandbox.agent.references import References


class _Selector(selectors.DefaultSelector):
    """Never waits: where nothing happens, the loop's own time goes on."""

    loop = None

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.loop.virtual += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.virtual = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.virtual


@pytest.fixture
def timeless():
    """Run a coroutine function in virtual time."""

    def run(story):
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(asyncio.wait_for(story(), 100_000))
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.1))
            loop.close()

    return run


class FakeSocket:
    """An open port of a process."""

    def __init__(self, open_ports, key):
        self.open_ports, self.key = open_ports, key

    async def close(self, drain):
        self.open_ports.pop(self.key, None)


@dataclass
class World:
    """What a pod meets: an API that remembers, ports, ConfigMaps, and probes that ask the role."""

    clock: Clock
    folder: object
    statuses: list = field(default_factory=list)
    removed: list = field(default_factory=list)
    events: list = field(default_factory=list)
    ports: dict = field(default_factory=dict)
    objects: dict = field(default_factory=dict)
    probes: list = field(default_factory=list)
    hooks: list = field(default_factory=list)
    outcome: object = None
    lives: list = field(default_factory=list)

    # PodApi
    async def write_status(self, pod, status):
        self.statuses.append((self.clock.now(), status))

    async def remove(self, pod):
        self.removed.append((self.clock.now(), pod["metadata"]["name"]))
        for life, _ in self.lives:
            if life.pod is pod:
                life.gone()

    # events
    def record(self, pod, kind, reason, message, container=""):
        self.events.append((round(self.clock.now(), 1), reason, message))

    # references
    async def get(self, path):
        if path not in self.objects:
            raise ApiError(404, "not found")
        return self.objects[path]

    # probes
    async def probe(self, probe, subject):
        self.probes.append((round(self.clock.now(), 1), probe.kind.value))
        if self.outcome:
            return Result(self.outcome(probe, self.clock.now()))
        face = self.ports.get((subject.address, subject.spec.port(probe.body.get("port"))))
        if face is None:
            return Result(Outcome.FAILURE, "connection refused")
        answer = face.answering.answer("GET", probe.body.get("path", "/"), self.clock.now())
        return Result(Outcome.SUCCESS if answer.status < 400 else Outcome.FAILURE, f"statuscode: {answer.status}")

    async def hook_request(self, action, subject):
        self.hooks.append((self.clock.now(), action["path"]))

    async def listen(self, address, port, face):
        if (address, port) in self.ports:
            raise OSError(98, "Address already in use")
        self.ports[address, port] = face
        return FakeSocket(self.ports, (address, port))

    def live(self, pod, **means):
        """Bind a pod to the node."""
        logs = Logs(self.folder, self.clock)
        references = References(self, self.clock)
        found = Means(self.clock, self, logs, references, self, self.listen, dice=Random(1), **means)
        life = PodLife(pod, found, self, self.addresses, "10.0.0.1")
        self.lives.append((life, asyncio.ensure_future(life.run())))
        return life

    def __post_init__(self):
        self.addresses = Addresses("10.8.0.0/16")

    @property
    def status(self):
        return self.statuses[-1][1]

    def container(self, name="app"):
        status = self.status
        return next(
            each for each in status["containerStatuses"] + status["initContainerStatuses"] if each["name"] == name
        )

    def condition(self, kind):
        return next(each for each in self.status["conditions"] if each["type"] == kind)

    def ready_at(self):
        """When the pod was first reported ready."""
        for at, status in self.statuses:
            if any(each["type"] == "Ready" and each["status"] == "True" for each in status["conditions"]):
                return at
        return None

    def reasons(self):
        return [reason for _, reason, _ in self.events]


@pytest.fixture
def story(timeless, tmp_path):
    """Tell a pod's story: `story(async def(world))`, in virtual time."""

    def run(tell):
        async def begin():
            return await tell(World(Clock(), tmp_path))

        return timeless(begin)

    return run


@pytest.fixture
def pod():
    """Make a pod with one container `app`; keywords go into the container, `spec` and `annotations` into the pod."""

    def make(image="shop/checkout:1", *, annotations=None, spec=None, name="checkout-1", uid="u1", **container):
        prefixed = {f"sandbox.helm-safe.dev/{key}": value for key, value in (annotations or {}).items()}
        app = {"name": "app", "image": image, **container}
        metadata = {"name": name, "namespace": "shop", "uid": uid, "generation": 1, "annotations": prefixed}
        return {"metadata": metadata, "spec": {"containers": [app], **(spec or {})}, "status": {"phase": "Pending"}}

    return make


@pytest.fixture
def deletion():
    """The same pod, asked to end."""

    def make(pod, grace=30):
        metadata = {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
        return {**pod, "metadata": metadata}

    return make
