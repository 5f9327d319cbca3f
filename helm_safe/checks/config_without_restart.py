"""CFG-002: only configuration changes, so the rollback restarts nothing."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.facts import Workload, annotation, workloads
from helm_safe.checks.secrets import content
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.core.references import config_references
from helm_safe.core.workloads import pod_template
from helm_safe.model.snapshot import Snapshot

_RELOADERS = (
    "reloader.stakater.com/auto",
    "configmap.reloader.stakater.com/reload",
    "secret.reloader.stakater.com/reload",
)


def restarts_nothing(snapshot: Snapshot) -> dict[ObjectRef, tuple[str, ...]]:
    """Workloads whose template stays the same while ConfigMaps or Secrets that they use change, with these."""
    found = {}
    for workload in workloads(snapshot.change.target, long_running=True):
        current = snapshot.change.current.objects.get(workload.ref)
        if current is None or pod_template(current) != workload.template or _reloads(workload):
            continue
        changed = _changed_config(snapshot, workload)
        if changed:
            found[workload.ref] = changed
    return found


def _changed_config(snapshot: Snapshot, workload: Workload) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for used in config_references(workload.template):
        ref = ObjectRef(used.group, used.kind, workload.ref.namespace, used.name)
        before, after = snapshot.change.current.objects.get(ref), snapshot.change.target.objects.get(ref)
        if before is not None and after is not None and content(before) != content(after):
            names.setdefault(str(ref), f"{ref} ({used.where})")
    return tuple(names.values())


def _reloads(workload: Workload) -> bool:
    return any(annotation(workload.obj, name) for name in _RELOADERS)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, changed in restarts_nothing(snapshot).items():
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"The rollback changes configuration of {ref} but not its pods: a plain rollback would leave them running"
            " with the bad values. The run replaces the pods.",
            object=str(ref),
            field="spec.template",
            evidence=tuple(f"changed: {each}" for each in changed),
            remediation="Nothing to do; a checksum annotation of the configuration in the pod template avoids this.",
        )


CHECK = Check(
    "CFG-002",
    "Configuration changes without restart",
    WARNING,
    "The pod template is the same in both revisions, but a ConfigMap or Secret that it uses differs. Environment"
    " variables keep the bad values until the pods are replaced.",
    "The run replaces the pods.",
    _run,
)
