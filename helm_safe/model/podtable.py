"""Workloads and their pods as rows, for those who show a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helm_safe.core.objects import Object, dig, name_of
from helm_safe.model.health import is_ready, restarts_of, state_of

KIND = "pods"
"""`data.kind` of the events that carry these rows."""
MOST = 20
NOTE = 120


def workload_row(name: str, workload: Object, pods: Sequence[Object], notes: Mapping[str, str]) -> dict[str, Any]:
    """One workload: ready and wanted pods, at most MOST of them by name, those with a note first, `more` for the rest.

    notes: what is to be said of a pod, by its name.
    """
    ordered = sorted(pods, key=lambda pod: (name_of(pod) not in notes, is_ready(pod), name_of(pod)))
    return {
        "name": name,
        "ready": sum(is_ready(pod) and not dig(pod, "metadata", "deletionTimestamp") for pod in pods),
        "wanted": wanted_of(workload),
        "pods": [_pod_row(pod, notes.get(name_of(pod), "")) for pod in ordered[:MOST]],
        "more": max(len(pods) - MOST, 0),
    }


def wanted_of(workload: Object) -> int:
    """How many pods the controller is asked for."""
    if workload.get("kind") == "DaemonSet":
        return int(dig(workload, "status", "desiredNumberScheduled") or 0)
    replicas = dig(workload, "spec", "replicas")
    return 1 if replicas is None else int(replicas)


def _pod_row(pod: Object, note: str) -> dict[str, Any]:
    return {
        "name": name_of(pod),
        "state": state_of(pod),
        "ready": is_ready(pod),
        "restarts": restarts_of(pod),
        "note": note[:NOTE],
    }
