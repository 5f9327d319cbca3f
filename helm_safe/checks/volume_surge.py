"""STOR-RWO-001: a rolling update would need one volume on two nodes at once."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import CLAIM, NODE, WARNING, Check
from helm_safe.checks.doubles import staged
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.rolling import rolls, surge
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef, dig, sequence
from helm_safe.model.snapshot import Snapshot

_SINGLE = {"ReadWriteOnce", "ReadWriteOncePod"}


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.knows(*NODE) and len(snapshot.of_kind(*NODE)) == 1:
        return  # there is no other node on which the new pod could wait
    ours = {each.workload for each in staged(snapshot)}
    for workload in workloads(snapshot.change.target, long_running=True):
        if workload.kind.kind == "Deployment" and workload.ref not in ours and rolls(snapshot, workload):
            yield from _claims(snapshot, workload)


def _claims(snapshot: Snapshot, workload: Workload) -> Iterator[Finding]:
    if surge(snapshot, workload) < 1:
        return
    for volume in sequence(workload.template, "spec", "volumes"):
        name = dig(volume, "persistentVolumeClaim", "claimName")
        ref = ObjectRef(*CLAIM, workload.ref.namespace, str(name))
        claim = snapshot.live_for(ref) or snapshot.change.target.objects.get(ref)
        modes = {str(each) for each in sequence(claim, "spec", "accessModes")}
        if name and modes and modes <= _SINGLE:
            yield Finding(
                CHECK.id,
                CHECK.severity,
                f"{workload.ref} starts a new pod before it stops the old one, and both need {ref}, which only one node"
                " can have: on another node the new pod waits for ever.",
                object=str(workload.ref),
                field="spec.strategy",
                evidence=(f"access modes: {', '.join(sorted(modes))}", f"surge: {surge(snapshot, workload)}"),
                remediation=f"Scale {workload.ref} to 0 right before the rollback, or set strategy Recreate in the"
                " chart.",
            )


CHECK = Check(
    "STOR-RWO-001",
    "One volume, two pods",
    WARNING,
    "A Deployment with a rolling update mounts a claim that only one node (or one pod) may have. The new pod can wait"
    " for the volume while the update waits for the new pod (Multi-Attach error).",
    "Use strategy Recreate for Deployments with such a claim, or a StatefulSet.",
    _run,
    needs=(CLAIM,),
)
