"""Is a workload really up? Pure readings of status; a green tick alone is no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helm_safe.core.objects import Object, dig, name_of, ref_of, sequence
from helm_safe.model.machine import Verdict
from helm_safe.model.times import parse_time

# Reasons that a container waits for and that do not mend themselves (kubelet: images and container start).
HOPELESS = {
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}


@dataclass(frozen=True, slots=True)
class Health:
    """Verdict on one thing, and the words for it. inconclusive means: not yet."""

    verdict: Verdict
    message: str


def rollout_of(obj: Object, wanted: int | None = None) -> Health:
    """Whether the controller finished bringing up the newest template.

    wanted: replicas that must be there, where they are known better than from the object: an object at 0 replicas is
    complete for Kubernetes, and an outage for its users.
    """
    name = str(ref_of(obj))
    generation = dig(obj, "metadata", "generation") or 0
    if (dig(obj, "status", "observedGeneration") or 0) < generation:
        return Health(Verdict.INCONCLUSIVE, f"{name}: the controller has not seen the change yet")
    if dig(obj, "spec", "paused"):
        return Health(Verdict.FAIL, f"{name} is paused: nothing is rolled out until it is resumed")
    for condition in sequence(obj, "status", "conditions"):
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Health(Verdict.FAIL, f"{name} exceeded its progress deadline")
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return Health(Verdict.INCONCLUSIVE, f"{name}: no pod can be made: {condition.get('message')}")
    if obj.get("kind") == "DaemonSet":
        return _counts(name, _daemon_counts(obj))
    replicas = dig(obj, "spec", "replicas")
    replicas = 1 if replicas is None else int(replicas)
    if wanted and replicas < wanted:
        return Health(Verdict.FAIL, f"{name} is scaled to {replicas}, {wanted} were there before")
    return _counts(name, _replica_counts(obj, replicas))


@dataclass(frozen=True, slots=True)
class _Counts:
    """kept: pods of the template of before that are meant to stay, by the partition of a StatefulSet."""

    wanted: int
    updated: int
    ready: int
    existing: int
    kept: int = 0


def _replica_counts(obj: Object, replicas: int) -> _Counts:
    status = obj.get("status") or {}
    ready = status.get("availableReplicas", 0) if obj.get("kind") == "Deployment" else status.get("readyReplicas", 0)
    updated = status.get("updatedReplicas", 0)
    if obj.get("kind") == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
        updated = status.get("currentReplicas", updated) or updated  # updatedReplicas is dropped once they are equal
    kept = int(dig(obj, "spec", "updateStrategy", "rollingUpdate", "partition") or 0)
    kept = min(kept, replicas) if obj.get("kind") == "StatefulSet" else 0
    return _Counts(replicas, int(updated or 0), int(ready or 0), int(status.get("replicas", 0) or 0), kept)


def _daemon_counts(obj: Object) -> _Counts:
    status = obj.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled", 0) or 0)
    return _Counts(
        wanted, int(status.get("updatedNumberScheduled", 0) or 0), int(status.get("numberAvailable", 0) or 0), wanted
    )


def _counts(name: str, counts: _Counts) -> Health:
    words = f"{name}: {counts.ready}/{counts.wanted} ready"
    if counts.updated < counts.wanted - counts.kept:
        return Health(Verdict.INCONCLUSIVE, f"{words}, {counts.updated} of the restored template")
    if counts.existing > counts.wanted:
        return Health(Verdict.INCONCLUSIVE, f"{words}, {counts.existing - counts.wanted} old pods still there")
    if counts.ready < counts.wanted:
        return Health(Verdict.INCONCLUSIVE, words)
    return Health(Verdict.PASS, words)


def pods_since(pods: Iterable[Object], since: datetime) -> list[Object]:
    """Pods that were created at or after `since` (whole seconds, as Kubernetes writes them) and are not leaving."""
    floor = since.replace(microsecond=0)
    return [pod for pod in pods if (_created(pod) or floor) >= floor and not dig(pod, "metadata", "deletionTimestamp")]


def restarts_of(pod: Object) -> int:
    return sum(int(status.get("restartCount", 0) or 0) for status in _statuses(pod))


def trouble_of(pod: Object) -> str:
    """Why a pod cannot come up by itself, "" when nothing says so."""
    for status in _statuses(pod):
        reason = str(dig(status, "state", "waiting", "reason") or "")
        container = f"Pod/{name_of(pod)}: container {status.get('name')}"
        if reason in HOPELESS:
            ended = how_it_ended(status)
            detail = f"it {ended}" if ended else str(dig(status, "state", "waiting", "message") or "")
            return f"{container}: {reason}, {detail}" if detail else f"{container}: {reason}"
        if dig(status, "lastState", "terminated", "reason") == "OOMKilled":
            return f"{container} {how_it_ended(status)}"
    return ""


def restarted(pod: Object) -> str:
    """That containers of a pod were restarted, and how they ended; "" where none was."""
    count = restarts_of(pod)
    ends = (
        f"container {status.get('name')} {how_it_ended(status)}" for status in _statuses(pod) if how_it_ended(status)
    )
    times = "once" if count == 1 else f"{count} times"
    return ": ".join([f"Pod/{name_of(pod)} restarted {times}", *list(ends)[:1]]) if count else ""


def last_end(pod: Object) -> datetime | None:
    """When a container that was restarted last ended."""
    ends = [parse_time(str(dig(each, "lastState", "terminated", "finishedAt") or "")) for each in _statuses(pod)]
    return max((end for end in ends if end), default=None)


def unplaced(pod: Object) -> str:
    """Why no node takes a pod or it was driven away; more nodes may help, another revision does not."""
    if dig(pod, "status", "phase") == "Failed" and dig(pod, "status", "reason") in ("Evicted", "Preempting"):
        return f"Pod/{name_of(pod)} was evicted by its node: {dig(pod, 'status', 'message') or 'no reason given'}"
    for condition in sequence(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"Pod/{name_of(pod)} fits on no node: {condition.get('message')}"
    return ""


def is_ready(pod: Object) -> bool:
    conditions = sequence(pod, "status", "conditions")
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def state_of(pod: Object) -> str:
    """One word on a pod, as kubectl gives it: Running, Pending, CrashLoopBackOff, Init:Error, Terminating, …"""
    if dig(pod, "metadata", "deletionTimestamp"):
        return "Terminating"
    for field, prefix in (("initContainerStatuses", "Init:"), ("containerStatuses", "")):
        for status in sequence(pod, "status", field):
            reason = dig(status, "state", "waiting", "reason") or dig(status, "state", "terminated", "reason")
            if reason and not (prefix and reason in ("Completed", "PodInitializing")):
                return f"{prefix}{reason}"
    return str(dig(pod, "status", "reason") or dig(pod, "status", "phase") or "Unknown")


# What ends a process from outside or before it begins: kubelet and shells add 128 to the number of a signal.
_EXITS = {
    0: "ended by itself without an error",
    126: "could not be executed",
    127: "has no such command",
    132: "died of an illegal instruction, as on another processor",
    134: "aborted (SIGABRT)",
    135: "died of a bus error (SIGBUS)",
    137: "was killed (SIGKILL), as after a failed liveness probe",
    139: "crashed (SIGSEGV)",
    143: "was told to end (SIGTERM), as after a failed liveness probe",
}


def how_it_ended(status: Mapping[str, Any]) -> str:
    """How a container's last run ended, in words; "" where it is the first one."""
    end = dig(status, "lastState", "terminated") or dig(status, "state", "terminated")
    if not isinstance(end, dict):
        return ""
    code, reason = end.get("exitCode"), str(end.get("reason") or "")
    if reason == "OOMKilled":
        return f"was killed for memory (OOMKilled, exit {code})"
    words = _EXITS.get(code if isinstance(code, int) else -1, "ended with an error")
    told = f", {reason}" if reason not in ("", "Error", "Completed") else ""
    return f"{words} (exit {code}{told})"


def _statuses(pod: Object) -> list[Mapping[str, Any]]:
    found = [*sequence(pod, "status", "initContainerStatuses"), *sequence(pod, "status", "containerStatuses")]
    return [each for each in found if isinstance(each, dict)]


def _created(pod: Object) -> datetime | None:
    return parse_time(str(dig(pod, "metadata", "creationTimestamp") or ""))
