"""Warm-up: requests of our own to new pods, until they answer without errors and fast, before the first user comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helm_safe.core.annotations import PREFIX
from helm_safe.core.objects import Object, dig, mapping, name_of, namespace_of, sequence
from helm_safe.core.probes import READINESS, STARTUP
from helm_safe.model.errors import ClusterError
from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Resolved
from helm_safe.ports import Clock, Cluster, Proxied

PATH_ANNOTATION = PREFIX + "warmup-path"
CONCURRENCY = 4
LAST = 10
"""A pod is warm when this many answers in a row were good."""
PAUSE = 1.0
"""Seconds between rounds while a pod fails: a refused connection comes back in a millisecond."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """path: "" for what the pod says. method: GET or HEAD; others could change data. least, most: requests per pod.

    slow: seconds that an answer may take at most, the way through the API server included. timeout: seconds for all.
    """

    path: str = ""
    method: str = "GET"
    least: int = 20
    most: int = 500
    slow: float = 0.5
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if self.method not in ("GET", "HEAD"):
            raise ValueError(f"warm-up requests are GET or HEAD, not {self.method}: others could change data")


def wanted_by(settings: Resolved) -> WarmUp:
    """The warm-up that flags, policy and annotations ask for."""
    names = ("path", "method", "least", "most", "slow", "timeout")
    return WarmUp(**{name: settings.value(f"warm-up.{name}") for name in names})


@dataclass(frozen=True, slots=True)
class Warmed:
    """Verdict, the sentence for people, the numbers for machines: requests, errors, seconds, slowest of the last."""

    verdict: Verdict
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


class Target(NamedTuple):
    """Where a pod answers HTTP; `host` is its name as the proxy wants it."""

    host: str
    port: int | str
    path: str


def target_of(pod: Object, path: str = "") -> Target | None:
    """From the path asked for, else the pod's annotation, else its readiness or startup probe; None where none says.

    The port is that of the probe, else the first one that a container declares.
    """
    containers = [mapping(each) for each in sequence(pod, "spec", "containers")]
    probes = [(each, mapping(each, field_, "httpGet")) for field_ in (READINESS, STARTUP) for each in containers]
    probed = next(((container, get) for container, get in probes if get), None)
    wanted = path or str(mapping(pod, "metadata", "annotations").get(PATH_ANNOTATION) or "")
    if probed is None:
        port = next((dig(each, "ports", 0, "containerPort") for each in containers if each.get("ports")), None)
        return Target(name_of(pod), port, wanted) if wanted and isinstance(port, int) else None
    container, get = probed
    secure = "https:" if str(get.get("scheme", "")).upper() == "HTTPS" else ""
    number = _number(container, get.get("port"))
    asked = wanted or str(get.get("path") or "/")
    return Target(secure + name_of(pod), number, asked if asked.startswith("/") else f"/{asked}") if number else None


def warm_up(
    cluster: Cluster,
    clock: Clock,
    pods: Sequence[Object],
    wanted: WarmUp,
    stop: Callable[[], bool] = lambda: False,
) -> Warmed:
    """Ask every pod until it is warm, four requests at a time over all pods.

    PASS: each pod's last ten answers came without error and fast. FAIL: a pod that speaks HTTP did not get there in
    time. INCONCLUSIVE: a pod cannot be asked, or answers 4xx only, or `stop` ended it between two rounds; the sentence
    says why.
    """
    if not pods:
        return Warmed(Verdict.INCONCLUSIVE, "there is no pod to warm up")
    warming = [_Pod(namespace_of(pod), name_of(pod), target_of(pod, wanted.path)) for pod in pods]
    mute = next((each for each in warming if each.target is None), None)
    if mute is not None:
        why = f"pod {mute.name} does not say where it answers HTTP: set the annotation {PATH_ANNOTATION}"
        return Warmed(Verdict.INCONCLUSIVE, why)
    began, stopped = clock.monotonic(), False
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        while cold := [each for each in warming if not each.done(wanted)]:
            stopped = stop()
            if stopped or clock.monotonic() - began >= wanted.timeout:
                break
            turns = _turns(cold)
            answers = list(pool.map(lambda each: each.ask(cluster, wanted.method), turns))
            for each, answer in zip(turns, answers, strict=True):
                each.note(answer)
            if all(each.failing for each in cold):
                clock.sleep(PAUSE)
    found = _result(warming, wanted, clock.monotonic() - began)
    return Warmed(Verdict.INCONCLUSIVE, "warming up was stopped", found.numbers) if stopped else found


@dataclass(slots=True)
class _Pod:
    """One pod being warmed. last: (status, seconds) of the newest answers."""

    namespace: str
    name: str
    target: Target | None
    asked: int = 0
    errors: int = 0
    spoke: bool = False
    refused: str = ""
    last: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=LAST))

    def ask(self, cluster: Cluster, method: str) -> Proxied | ClusterError:
        host, port, path = self.target or Target(self.name, 0, "/")
        try:
            return cluster.proxied(self.namespace, host, port, path, method=method, limit=4096)
        except ClusterError as error:
            return error

    def note(self, answer: Proxied | ClusterError) -> None:
        self.asked += 1
        if isinstance(answer, ClusterError):
            # Not the pod's word: it is gone, or asking it is not allowed. Only the last try's reason counts.
            self.refused = answer.message
            self.last.append((0, 0.0))
            return
        self.refused = answer.body[:200].decode("utf-8", "replace") if answer.status == 0 else ""
        self.spoke = self.spoke or answer.status > 0
        self.errors += answer.status == 0 or answer.status >= 500
        self.last.append((answer.status, answer.seconds))

    @property
    def failing(self) -> bool:
        return bool(self.last) and not 0 < self.last[-1][0] < 500

    @property
    def slowest(self) -> float:
        return max((seconds for _, seconds in self.last), default=0.0)

    def warm(self, wanted: WarmUp) -> bool:
        enough = len(self.last) == LAST and self.asked >= wanted.least
        return enough and all(0 < status < 500 for status, _ in self.last) and self.slowest <= wanted.slow

    def done(self, wanted: WarmUp) -> bool:
        return self.warm(wanted) or self.asked >= wanted.most


def _turns(cold: Sequence[_Pod]) -> Sequence[_Pod]:
    """Turns for one round: the pods asked least come first, a single pod gets all four."""
    ordered = sorted(cold, key=lambda each: each.asked)
    return [ordered[turn % len(ordered)] for turn in range(CONCURRENCY)]


def _result(pods: Sequence[_Pod], wanted: WarmUp, seconds: float) -> Warmed:
    slowest = max(each.slowest for each in pods)
    numbers = {
        "pods": float(len(pods)),
        "requests": float(sum(each.asked for each in pods)),
        "errors": float(sum(each.errors for each in pods)),
        "seconds": seconds,
        "slowest": slowest,
    }
    cold = [each for each in pods if not each.warm(wanted)]
    heard = [each for each in cold if each.spoke]
    if heard:
        return Warmed(Verdict.FAIL, f"pod {heard[0].name} is not warm: {_complaint(heard[0], wanted)}", numbers)
    if cold:
        return Warmed(Verdict.INCONCLUSIVE, f"pod {cold[0].name} cannot be asked: {cold[0].refused}", numbers)
    refusing = next((each for each in pods if all(status >= 400 for status, _ in each.last)), None)
    if refusing:
        status = refusing.last[-1][0]
        why = f"pod {refusing.name} answers {status} only: name a path that it serves ({PATH_ANNOTATION})"
        return Warmed(Verdict.INCONCLUSIVE, why, numbers)
    told = f"{numbers['requests']:.0f} warm-up requests answered by {len(pods)} pod{'s' if len(pods) > 1 else ''}"
    return Warmed(
        Verdict.PASS, f"{told}, the last {LAST} each without error and within {slowest * 1000:.0f} ms", numbers
    )


def _complaint(pod: _Pod, wanted: WarmUp) -> str:
    bad = sum(not 0 < status < 500 for status, _ in pod.last)
    if bad:
        return f"{bad} of its last {len(pod.last)} answers failed ({pod.asked} requests)"
    if pod.slowest > wanted.slow:
        return f"it still takes up to {pod.slowest:.2f} s, {wanted.slow:g} s is the bound ({pod.asked} requests)"
    return f"it was stopped after {pod.asked} requests, {wanted.least} are needed"


def _number(container: Mapping[str, Any], port: Any) -> int | None:
    """A probe's port as a number; the proxy does not know the names of ports."""
    if isinstance(port, int) or (isinstance(port, str) and port.isascii() and port.isdigit()):
        return int(port)
    named = (mapping(each) for each in sequence(container, "ports"))
    found = next((each.get("containerPort") for each in named if each.get("name") == port), None)
    return found if isinstance(found, int) else None
