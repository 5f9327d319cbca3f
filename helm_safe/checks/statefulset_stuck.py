"""STS-STUCK-001: a StatefulSet that waits for a broken pod does not replace it after a rollback."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import POD, WARNING, Check
from helm_safe.checks.facts import Workload, pods_of, waiting, workloads
from helm_safe.checks.rolling import rolls
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, is_ready, name_of
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in workloads(snapshot.change.target, long_running=True):
        if _in_order(workload) and rolls(snapshot, workload):
            broken = [pod for pod in pods_of(snapshot, workload) if _broken(pod)]
            if broken:
                yield _finding(workload, broken)


def _in_order(workload: Workload) -> bool:
    """Whether the controller waits for each pod before it touches the next."""
    spec = workload.obj.get("spec")
    return (
        (workload.ref.group, workload.ref.kind) == ("apps", "StatefulSet")
        and dig(spec, "podManagementPolicy") != "Parallel"
        and dig(spec, "updateStrategy", "type") != "OnDelete"
    )


def _broken(pod: Object) -> bool:
    leaving = dig(pod, "metadata", "deletionTimestamp") or dig(pod, "status", "phase") in ("Succeeded", "Failed")
    return not leaving and not is_ready(pod)


def _finding(workload: Workload, broken: list[Object]) -> Finding:
    names, where = [name_of(pod) for pod in broken], f" -n {workload.ref.namespace}" if workload.ref.namespace else ""
    reasons = {name: reason for _, reason, name in waiting(broken)}
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{workload.ref} starts its pods in order and waits for {', '.join(names[:5])}, not ready now: after the"
        " rollback it keeps waiting for the broken pod instead of replacing it.",
        object=str(workload.ref),
        evidence=tuple(f"Pod/{name}: {reasons.get(name, 'not ready')}" for name in names[:20]),
        remediation=f"Right after the rollback: kubectl delete pod {' '.join(names[:5])}{where}",
    )


CHECK = Check(
    "STS-STUCK-001",
    "StatefulSet waits for a broken pod",
    WARNING,
    "A StatefulSet with ordered pods has a pod that is not ready. Its controller waits for that pod before it applies"
    " anything, also a way back (kubernetes issue 67250).",
    "Delete the broken pods after the rollback.",
    _run,
    needs=(POD,),
)
