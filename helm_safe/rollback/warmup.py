"""Warm-up: requests of our own to new pods until they answer without errors, fast and steadily, before the first user.

Each pod is asked `rate` times a second at most, all pods together BUDGET times, `concurrency` requests at once: a
warm-up is no load test, and the API server, through which every request goes, hardly notices it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from math import ceil, inf

from helm_safe.core.objects import Object, name_of, namespace_of
from helm_safe.core.printable import printable
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.errors import ClusterError, Forbidden, Invalid
from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Resolved
from helm_safe.model.targets import PATH_ANNOTATION, Target, sidecar_of, target_of
from helm_safe.model.warming import WarmUp, filled, quantile, settled
from helm_safe.ports import Ask, Clock, Cluster

BUDGET = 100.0
"""Requests per second over all pods; kubectl allows itself 50, with bursts of 300."""
PATIENCE = 0.25
"""Seconds between requests to a pod that fails: a refused connection comes back in a millisecond."""
PROOF = 20
"""Answers without error that prove a backend which serves already."""
WALLED = 3
"""Requests that a mesh turned away before another way is taken: one may be an accident."""
Answered = Proxied | ClusterError


def wanted_by(settings: Resolved) -> WarmUp:
    """The warm-up that flags, policy and annotations ask for."""
    return WarmUp(**{each.name: settings.value(f"warm-up.{each.name.replace('_', '-')}") for each in fields(WarmUp)})


def check_variables(settings: Resolved) -> None:
    """Raises UsageError where the headers name a variable that the environment lacks."""
    filled(wanted_by(settings).headers, os.environ)


def proof_by(settings: Resolved, pods: int) -> WarmUp:
    """The requests that prove a backend of so many pods which serves already: PROOF in all, one at least to each.

    It need not settle any more, and users are waiting.

    A lower rate than usual was asked for with a reason and holds here too.
    """
    wanted = wanted_by(settings)
    rate = wanted.rate if wanted.rate < WarmUp().rate else int(BUDGET)
    return replace(wanted, least=min(wanted.least, ceil(PROOF / max(pods, 1))), rate=rate)


@dataclass(frozen=True, slots=True)
class Warmed:
    """Verdict, the sentence for people, the numbers for machines: requests, errors, seconds, p95 of the slowest pod."""

    verdict: Verdict
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


def warm_up(
    cluster: Cluster,
    clock: Clock,
    pods: Sequence[Object],
    wanted: WarmUp,
    stop: Callable[[], bool] = lambda: False,
) -> Warmed:
    """Ask every pod until it is warm.

    PASS: the last `least` answers of each pod came without error, the p95 of the later half is within `slow`, and is no
    longer better than that of the earlier half. FAIL: a pod that speaks HTTP did not get there in time. INCONCLUSIVE: a
    pod cannot be asked, answers 4xx only, still gets faster at the end, or `stop` ended it; the sentence says why.
    Raises UsageError for a header's variable that the environment lacks.
    """
    if not pods or not wanted.least:
        why = "warm-up requests are switched off (warm-up.least: 0)" if pods else "there is no pod to warm up"
        return Warmed(Verdict.INCONCLUSIVE, why)
    warming = [_Pod(namespace_of(pod), name_of(pod), sidecar_of(pod), target_of(pod, wanted.path)) for pod in pods]
    mute = next((each for each in warming if each.target is None), None)
    if mute is not None:
        why = f"pod {mute.name} does not say where it answers HTTP: set the annotation {PATH_ANNOTATION}"
        return Warmed(Verdict.INCONCLUSIVE, why)
    began = clock.monotonic()
    with ExitStack() as tunnels:
        stopped = _Round(cluster, clock, wanted, stop, tunnels).run(warming)
    found = _result(warming, wanted, clock.monotonic() - began)
    return Warmed(Verdict.INCONCLUSIVE, "warming up was stopped", found.numbers) if stopped else found


@dataclass(slots=True)
class _Pod:
    """One pod being warmed. due: when it may be asked next. last: (status, seconds) of the newest answers."""

    namespace: str
    name: str
    sidecar: str
    target: Target | None
    due: float = -inf
    asked: int = 0
    busy: int = 0
    errors: int = 0
    walled: int = 0
    spoke: bool = False
    lost: bool = False
    warm: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    last: deque[tuple[int, float]] = field(default_factory=deque)
    tunnel: Ask | None = None

    @property
    def way(self) -> str:
        return "port-forward" if self.tunnel else "proxy"

    @property
    def failing(self) -> bool:
        return bool(self.last) and not _good(self.last[-1][0])

    def note(self, answer: Answered, wanted: WarmUp) -> None:
        """Remember an answer. An error of the API server is not the pod's word: it is gone, or may not be asked."""
        if self.warm:
            return  # it was under way when the pod had proved itself
        if isinstance(answer, ClusterError):
            self.lost = isinstance(answer, (Forbidden, Invalid))
            answer = Proxied(0, {}, answer.message.encode(), 0.0)
        walled = _walled(answer)
        status = 0 if walled else answer.status
        self.walled = self.walled + 1 if walled else 0
        if walled:
            self.refused[self.way] = printable(answer.body[:200].decode("utf-8", "replace"))
        self.spoke = self.spoke or status > 0
        self.errors += not _good(status)
        self.last.append((status, answer.seconds))
        if len(self.last) > wanted.least:
            self.last.popleft()
        self.warm = self.steady(wanted) and self.p95 <= wanted.slow and settled([each for _, each in self.last])

    def steady(self, wanted: WarmUp) -> bool:
        return len(self.last) >= wanted.least and all(_good(status) for status, _ in self.last)

    def through(self, tunnel: Ask) -> None:
        """From now on by port-forward; what came by the proxy says nothing about that."""
        self.tunnel, self.lost = tunnel, False
        self.last.clear()

    @property
    def p95(self) -> float:
        """Of the later half of the answers, seconds."""
        later = [seconds for _, seconds in self.last][len(self.last) // 2 :]
        return quantile(later, 0.95) if later else 0.0

    def done(self, wanted: WarmUp) -> bool:
        return self.warm or self.lost or self.asked >= wanted.most


class _Round:
    """Whose turn it is, and the threads that ask. Everything but the asking itself happens in one thread."""

    def __init__(
        self, cluster: Cluster, clock: Clock, wanted: WarmUp, stop: Callable[[], bool], tunnels: ExitStack
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._wanted = wanted
        self._stop = stop
        self._headers = filled(wanted.headers, os.environ)
        self._free = -inf
        self._under_way: dict[Future[Answered], _Pod] = {}
        self._tunnels = tunnels

    def run(self, pods: Sequence[_Pod]) -> bool:
        """Until all are warm, given up, or time is over; returns whether it was stopped."""
        deadline = self._clock.monotonic() + self._wanted.timeout
        if self._wanted.tunnelled:
            for each in pods:
                self._dig(each)
        with ThreadPoolExecutor(self._wanted.concurrency) as pool:
            while cold := [each for each in pods if not each.done(self._wanted)]:
                if self._stop():
                    return True
                if self._clock.monotonic() >= deadline:
                    break
                self._turn(cold, pool, deadline)
            while self._under_way:
                self._receive(None)
        return False

    def _turn(self, cold: Sequence[_Pod], pool: ThreadPoolExecutor, deadline: float) -> None:
        """Ask the pod that was asked least among those that are due, else wait for one or for an answer."""
        room = [each for each in cold if each.busy < max(1, self._wanted.concurrency // len(cold))]
        if len(self._under_way) >= self._wanted.concurrency:
            room = []
        now = self._clock.monotonic()
        due = [each for each in room if each.due <= now and self._free <= now]
        if due:
            self._send(min(due, key=lambda each: each.asked), pool, now)
            return
        moment = min(deadline, max(self._free, min((each.due for each in room), default=inf)))
        if self._under_way:
            self._receive(max(moment - now, 0.0))
        else:
            self._clock.sleep(moment - now)

    def _send(self, pod: _Pod, pool: ThreadPoolExecutor, now: float) -> None:
        gap = max(1 / self._wanted.rate, PATIENCE if pod.failing else 0.0)
        pod.due, self._free = now + gap, now + 1 / BUDGET
        pod.asked += 1
        pod.busy += 1
        self._under_way[pool.submit(self._ask, pod, pod.tunnel)] = pod

    def _receive(self, seconds: float | None) -> None:
        done, _ = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            pod = self._under_way.pop(future)
            pod.busy -= 1
            pod.note(future.result(), self._wanted)
            if pod.walled >= WALLED and pod.sidecar and not pod.tunnel and self._wanted.via == "auto":
                self._dig(pod)

    def _dig(self, pod: _Pod) -> None:
        """Past a sidecar that takes only the mesh's own TLS, and past the API server's eyes for a caller's headers."""
        host, port, _ = pod.target or Target(pod.name, 0, "/")
        pod.through(self._tunnels.enter_context(self._cluster.forwarded(pod.namespace, host, port)))

    def _ask(self, pod: _Pod, tunnel: Ask | None) -> Answered:
        host, port, path = pod.target or Target(pod.name, 0, "/")
        request = PodRequest(path, self._wanted.method, self._headers, self._wanted.body.encode(), limit=4096)
        try:
            return tunnel(request) if tunnel else self._cluster.proxied(pod.namespace, host, port, request)
        except ClusterError as error:
            return error


def _good(status: int) -> bool:
    return 0 < status < 500


def _walled(answer: Proxied) -> bool:
    """Whether the pod itself was not reached: nothing answered, or a mesh's proxy that knows nobody outside of it."""
    denied = "l5d-proxy-error" in answer.headers or answer.body.startswith(b"RBAC: access denied")
    return answer.status == 0 or (answer.status == 403 and denied)


def _result(pods: Sequence[_Pod], wanted: WarmUp, seconds: float) -> Warmed:
    p95 = max(each.p95 for each in pods)
    numbers = {
        "pods": float(len(pods)),
        "requests": float(sum(each.asked for each in pods)),
        "errors": float(sum(each.errors for each in pods)),
        "seconds": seconds,
        "p95": p95,
    }
    cold = [each for each in pods if not each.warm]
    for each in cold:
        if each.spoke and not (each.steady(wanted) and each.p95 <= wanted.slow):
            return Warmed(Verdict.FAIL, f"pod {each.name} is not warm: {_complaint(each, wanted)}", numbers)
    doubt = next(filter(None, (_doubt(each) for each in [*cold, *pods])), "")
    if doubt:
        return Warmed(Verdict.INCONCLUSIVE, doubt, numbers)
    told = f"{numbers['requests']:.0f} warm-up requests answered by {len(pods)} pod{'s' if len(pods) > 1 else ''}"
    way = " through port-forward" if any(each.tunnel for each in pods) else ""
    words = f"{told}{way}, the last {wanted.least} of each without error and settled, p95 {p95 * 1000:.0f} ms"
    return Warmed(Verdict.PASS, words, numbers)


def _doubt(pod: _Pod) -> str:
    """Why nobody can say whether the pod is warm, "" where it is."""
    if not pod.spoke:
        return f"pod {pod.name} cannot be asked: {_reasons(pod)}"
    if not pod.warm:
        return f"pod {pod.name} answers without error, but still gets faster after {pod.asked} requests"
    if all(status >= 400 for status, _ in pod.last):
        return f"pod {pod.name} answers {pod.last[-1][0]} only: name a path that it serves ({PATH_ANNOTATION})"
    return ""


def _reasons(pod: _Pod) -> str:
    """Why each way failed; only the last try of each counts."""
    if len(pod.refused) > 1:
        return "; ".join(f"by {way}: {words}" for way, words in pod.refused.items())
    behind = f" (it stands behind {pod.sidecar})" if pod.sidecar else ""
    return "".join(pod.refused.values()) + behind


def _complaint(pod: _Pod, wanted: WarmUp) -> str:
    bad = sum(not _good(status) for status, _ in pod.last)
    if bad:
        return f"{bad} of its last {len(pod.last)} answers failed ({pod.asked} requests)"
    if pod.p95 > wanted.slow:
        return f"p95 is still {pod.p95:.2f} s, {wanted.slow:g} s is the bound ({pod.asked} requests)"
    return f"it was stopped after {pod.asked} requests, {wanted.least} are needed"
