"""Volumes that outlive their pods, and the claims behind them."""

from __future__ import annotations

from helm_safe.checks.base import CLAIM
from helm_safe.checks.facts import Workload
from helm_safe.core.objects import ObjectRef, dig, sequence
from helm_safe.model.snapshot import Snapshot

# Sources of volumes that outlive a pod; each may say that it is read only.
LASTING = (
    "persistentVolumeClaim",
    "hostPath",
    "nfs",
    "iscsi",
    "cephfs",
    "rbd",
    "glusterfs",
    "azureFile",
    "azureDisk",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "cinder",
    "fc",
    "flexVolume",
    "vsphereVolume",
)


def lasting_volumes(workload: Workload) -> set[str]:
    """Names of the volumes of a workload's pods that outlive them, claim templates included."""
    found = {
        str(dig(volume, "name"))
        for volume in sequence(workload.template, "spec", "volumes")
        if any(dig(volume, source) is not None for source in LASTING)
    }
    return found | set(_templates(workload))


def claims_of(snapshot: Snapshot, workload: Workload) -> list[ObjectRef]:
    """The live claims that the pods of a workload mount."""
    names = [
        str(dig(volume, "persistentVolumeClaim", "claimName"))
        for volume in sequence(workload.template, "spec", "volumes")
        if dig(volume, "persistentVolumeClaim", "claimName")
    ]
    templates = _templates(workload)
    claims = [ref.name for ref in snapshot.live if (ref.group, ref.kind) == CLAIM] if templates else []
    for template in templates:
        head = f"{template}-{workload.ref.name}-"
        names += sorted(each for each in claims if each.startswith(head) and each[len(head) :].isdigit())
    wanted = (ObjectRef(*CLAIM, workload.ref.namespace, name) for name in dict.fromkeys(names))
    return [ref for ref in wanted if ref in snapshot.live]


def _templates(workload: Workload) -> list[str]:
    return [
        str(dig(each, "metadata", "name"))
        for each in sequence(workload.obj, "spec", "volumeClaimTemplates")
        if dig(each, "metadata", "name")
    ]
