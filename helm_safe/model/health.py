"""Is a workload really up? Pure readings of status; a green tick alone is no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helm_safe.core.objects import Object, dig, name_of, ref_of, sequence
from helm_safe.model.machine import Verdict

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
    if obj.get("kind") == "DaemonSet":
        return _counts(name, _daemon_counts(obj))
    replicas = dig(obj, "spec", "replicas")
    replicas = 1 if replicas is None else int(replicas)
    if wanted and replicas < wanted:
        return Health(Verdict.FAIL, f"{name} is scaled to {replicas}, {wanted} were there before")
    return _counts(name, _replica_counts(obj, replicas))


@dataclass(frozen=True, slots=True)
class _Counts:
    wanted: int
    updated: int
    ready: int
    existing: int


def _replica_counts(obj: Object, replicas: int) -> _Counts:
    status = obj.get("status") or {}
    ready = status.get("availableReplicas", 0) if obj.get("kind") == "Deployment" else status.get("readyReplicas", 0)
    updated = status.get("updatedReplicas", 0)
    if obj.get("kind") == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
        updated = status.get("currentReplicas", updated) or updated  # updatedReplicas is dropped once they are equal
    return _Counts(replicas, int(updated or 0), int(ready or 0), int(status.get("replicas", 0) or 0))


def _daemon_counts(obj: Object) -> _Counts:
    status = obj.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled", 0) or 0)
    return _Counts(
        wanted, int(status.get("updatedNumberScheduled", 0) or 0), int(status.get("numberAvailable", 0) or 0), wanted
    )


def _counts(name: str, counts: _Counts) -> Health:
    words = f"{name}: {counts.ready}/{counts.wanted} ready"
    if counts.updated < counts.wanted:
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
        if reason in HOPELESS:
            detail = str(dig(status, "state", "waiting", "message") or "")
            return f"Pod/{name_of(pod)}: container {status.get('name')}: {reason} {detail}".rstrip()
        if dig(status, "lastState", "terminated", "reason") == "OOMKilled":
            return f"Pod/{name_of(pod)}: container {status.get('name')}: killed for memory (OOMKilled)"
    return ""


def _statuses(pod: Object) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return [each for each in found if isinstance(each, dict)]


def _created(pod: Object) -> datetime | None:
    return parse_time(str(dig(pod, "metadata", "creationTimestamp") or ""))


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 moment, None where the text is not one."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
