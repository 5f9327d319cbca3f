"""A pod's status as a kubelet writes it: phase, conditions and what became of the containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helm_safe.core.objects import Object, dig, sequence
from helm_safe.sandbox.agent.podspec import ContainerSpec, restart_policy


@dataclass(frozen=True, slots=True)
class Facts:
    """What a status is made from besides the containers.

    start: RFC 3339 time at which the agent took the pod up; now: that of this status; ending: all is over, for good.
    network: the pod has its address and its mounts.
    """

    start: str
    now: str
    host: str
    address: str
    network: bool = False
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Contained:
    """A container and its ContainerStatus."""

    spec: ContainerSpec
    status: Object

    @property
    def ready(self) -> bool:
        return bool(self.status.get("ready"))

    @property
    def exit_code(self) -> int | None:
        code = dig(self.status, "state", "terminated", "exitCode")
        return code if isinstance(code, int) else None

    @property
    def initialized(self) -> bool:
        return bool(self.status.get("started")) if self.spec.sidecar else self.exit_code == 0


def pod_status(pod: Mapping[str, Any], facts: Facts, contained: Sequence[Contained], before: Object) -> Object:
    """The whole status. before: the status written last, whose transition times stay where nothing changed."""
    inits = [each for each in contained if each.spec.init]
    mains = [each for each in contained if not each.spec.init]
    phase = _phase(restart_policy(pod), inits, mains, ending=facts.ending)
    status: Object = {
        "phase": phase,
        "conditions": _dated(_conditions(pod, phase, facts, inits, mains), before, facts.now, pod),
        "startTime": facts.start,
        "hostIP": facts.host,
        "hostIPs": [{"ip": facts.host}],
        "qosClass": dig(pod, "status", "qosClass") or "BestEffort",
        "containerStatuses": [each.status for each in mains],
        "initContainerStatuses": [each.status for each in inits],
    }
    if generation := dig(pod, "metadata", "generation"):
        status["observedGeneration"] = generation
    if facts.address:
        status |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}]}
    return status


def _phase(policy: str, inits: Sequence[Contained], mains: Sequence[Contained], *, ending: bool) -> str:
    ended = [each.exit_code for each in mains if each.exit_code is not None]
    over = len(ended) == len(mains) and (policy != "Always" or ending)
    if over and not any(ended):
        return "Succeeded"
    failed_init = any(each.exit_code for each in inits if not each.spec.sidecar) and policy == "Never"
    if ending or failed_init or (over and policy == "Never"):
        return "Failed"
    waiting = any("waiting" in each.status["state"] and not each.status.get("lastState") for each in mains)
    return "Pending" if waiting or not all(each.initialized for each in inits) else "Running"


def _conditions(
    pod: Mapping[str, Any], phase: str, facts: Facts, inits: Sequence[Contained], mains: Sequence[Contained]
) -> list[Object]:
    done = phase == "Succeeded"
    staying = [*(each for each in inits if each.spec.sidecar), *mains]
    raw = [each.spec.name for each in inits if not each.initialized]
    unready = [each.spec.name for each in staying if not each.ready]
    contained = _verdict("ContainersReady", unready, "unready", done=done, never=phase == "Failed")
    return [
        {"type": "PodReadyToStartContainers", "status": _flag(value=facts.network and phase in ("Pending", "Running"))},
        _verdict("Initialized", [] if done else raw, "incomplete", done=False, never=False),
        contained | {"type": "Ready"} if contained["status"] == "False" else _gates(pod),
        contained,
        {"type": "PodScheduled", "status": "True"},
    ]


def _verdict(kind: str, lacking: list[str], what: str, *, done: bool, never: bool) -> Object:
    if done:
        return {"type": kind, "status": "False", "reason": "PodCompleted"}
    if never:
        return {"type": kind, "status": "False", "reason": "PodFailed"}
    if not lacking:
        return {"type": kind, "status": "True"}
    reason = "ContainersNotInitialized" if kind == "Initialized" else "ContainersNotReady"
    message = f"containers with {what} status: [{' '.join(lacking)}]"
    return {"type": kind, "status": "False", "reason": reason, "message": message}


def _gates(pod: Mapping[str, Any]) -> Object:
    """The Ready condition of a pod whose containers are ready: its readiness gates decide."""
    problems = []
    for gate in sequence(pod, "spec", "readinessGates"):
        wanted = dig(gate, "conditionType")
        held = next((each for each in sequence(pod, "status", "conditions") if dig(each, "type") == wanted), None)
        if held is None:
            problems.append(f'corresponding condition of pod readiness gate "{wanted}" does not exist.')
        elif dig(held, "status") != "True":
            problems.append(f'the status of pod readiness gate "{wanted}" is not "True", but {dig(held, "status")}')
    if not problems:
        return {"type": "Ready", "status": "True"}
    return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(problems)}


def _dated(conditions: list[Object], before: Object, now: str, pod: Mapping[str, Any]) -> list[Object]:
    """With transition times. An absent reason or message is written as null: the patch would keep an old one."""
    old = {
        dig(each, "type"): each for each in [*sequence(pod, "status", "conditions"), *sequence(before, "conditions")]
    }
    generation = dig(pod, "metadata", "generation")
    dated = []
    for each in conditions:
        previous = old.get(each["type"])
        since = dig(previous, "lastTransitionTime") if dig(previous, "status") == each["status"] else None
        full: Object = {"reason": None, "message": None, "lastProbeTime": None} | each
        full["lastTransitionTime"] = since or now
        dated.append(full | ({"observedGeneration": generation} if generation else {}))
    return dated


def _flag(*, value: bool) -> str:
    return "True" if value else "False"
