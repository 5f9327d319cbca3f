"""The down-migration that would make a rollback possible, as a Job to review. It is printed, never run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.checks.facts import workloads
from helm_safe.checks.migrators import sign_of
from helm_safe.checks.schemas import since_target
from helm_safe.core.objects import Object, ref_of
from helm_safe.core.redact import redact_object
from helm_safe.core.workloads import all_containers, containers
from helm_safe.model.snapshot import Snapshot

_KEPT = ("image", "env", "envFrom", "volumeMounts", "workingDir", "securityContext", "resources")


def undo_of(snapshot: Snapshot) -> str:
    """The tool's command back to the target's schema; "" where nothing is to be undone or no tool can."""
    return next((each.undo for each in since_target(snapshot) if each.rows or each.before), "")


def bridge_of(snapshot: Snapshot) -> Object | None:
    """A Job with the newer revision's image and environment that runs the undo; None where there is none."""
    undo = undo_of(snapshot)
    found = _container(snapshot) if undo else None
    if found is None:
        return None
    container, spec = found
    release, number = snapshot.history.release, snapshot.change.current.number
    kept = {name: container[name] for name in _KEPT if name in container}
    pod: dict[str, Any] = {
        name: spec[name] for name in ("serviceAccountName", "imagePullSecrets", "volumes") if name in spec
    }
    pod |= {"restartPolicy": "Never", "containers": [{"name": "undo", **kept, "command": ["sh", "-c", undo]}]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{release.name}-undo-r{number}", "namespace": release.namespace},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    return redact_object(job)


def _container(snapshot: Snapshot) -> tuple[Object, dict[str, Any]] | None:
    """Where the newer revision keeps its migration tool: a hook, a container that runs it, or else its application."""
    current = snapshot.change.current
    hooks = [obj for hook in current.hooks for obj in hook.objects]
    objects = {**{ref_of(obj): obj for obj in hooks}, **current.objects}
    held = replace(current, objects=objects)
    plain = None
    for workload in workloads(held):
        spec = workload.template.get("spec") or {}
        for container in all_containers(workload.template):
            if sign_of(snapshot, workload, container):
                return container, spec
        first = containers(workload.template)
        plain = plain or ((first[0], spec) if first and workload.kind.long_running else None)
    return plain
