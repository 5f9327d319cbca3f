"""STBY-004: volumes that both sets of pods would write to, and ports of the node that only one pod can have."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.doubles import doubled, doubled_workloads, mounts_of
from helm_safe.checks.facts import Workload
from helm_safe.checks.volumes import LASTING
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.workloads import all_containers, container_name
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in doubled_workloads(snapshot):
        yield from _volumes(workload)
        yield from _ports(workload)


def _volumes(workload: Workload) -> Iterator[Finding]:
    for volume in sequence(workload.template, "spec", "volumes"):
        source = next((each for each in LASTING if dig(volume, each) is not None), "")
        if not source or dig(volume, source, "readOnly") is True:
            continue
        name = str(dig(volume, "name"))
        writers = [owner for owner, mount in mounts_of(workload.template, name) if mount.get("readOnly") is not True]
        if writers:
            yield _finding(
                workload,
                f"writes to volume {name} ({_what(volume, source)}), which the standby would write to as well",
                f"spec.template.spec.volumes[{name}]",
                f"written by: {', '.join(dict.fromkeys(writers))}",
            )


def _what(volume: object, source: str) -> str:
    if source == "persistentVolumeClaim":
        return f"PersistentVolumeClaim/{dig(volume, source, 'claimName')}"
    path = dig(volume, source, "path")
    return f"{source} {path}" if path else source


def _ports(workload: Workload) -> Iterator[Finding]:
    if dig(workload.template, "spec", "hostNetwork") is True:
        field = "spec.template.spec.hostNetwork"
        yield _finding(workload, "uses its node's network, where each port is there once", field, "hostNetwork: true")
        return
    for container in all_containers(workload.template):
        taken = [str(dig(port, "hostPort")) for port in sequence(container, "ports") if dig(port, "hostPort")]
        if taken:
            yield _finding(
                workload,
                f"takes port {', '.join(taken)} of its node, which a standby beside it could not have",
                f"spec.template.spec.containers[{container_name(container)}].ports",
                f"hostPort: {', '.join(taken)}",
            )


def _finding(workload: Workload, what: str, field: str, evidence: str) -> Finding:
    obj: Object = workload.obj
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{obj.get('kind')}/{workload.ref.name} {what}.",
        object=str(workload.ref),
        field=field,
        evidence=(evidence,),
        remediation="If old and new code may use it at once, accept it; else use --strategy native.",
    )


CHECK = Check(
    "STBY-004",
    "Volume or port that cannot be shared",
    ERROR,
    "The target's pods write to a volume that outlives them, or need a port of their node. A standby runs beside the"
    " current pods: both versions would write to the same files, or its pods would find no node.",
    "Accept it where both versions may share the volume, or use --strategy native.",
    _run,
    when=doubled,
)
