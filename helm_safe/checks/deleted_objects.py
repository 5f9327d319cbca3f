"""CRD-DEL-001, NS-DEL-001, STS-DEL-001, DEL-001: what the rollback deletes because the target does not have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from helm_safe.checks.base import ERROR, STATEFUL_SET, WARNING, Check
from helm_safe.checks.facts import keep_hint, removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import Snapshot

DANGEROUS = ("CustomResourceDefinition", "Namespace", "PersistentVolumeClaim", "PersistentVolume", "StatefulSet")


def _of_kind(check_id: str, kind: str, loss: str) -> Callable[[Snapshot], Iterator[Finding]]:
    """A check that reports every deleted object of one kind."""

    def run(snapshot: Snapshot) -> Iterator[Finding]:
        for ref in removed_objects(snapshot):
            if ref.kind == kind:
                yield Finding(
                    check_id,
                    ERROR,
                    f"The rollback deletes {ref}, absent from revision {snapshot.change.target.number}: {loss}.",
                    object=str(ref),
                    evidence=_evidence(snapshot, ref),
                    remediation=f"To keep it: {keep_hint(ref)}",
                )

    return run


def _evidence(snapshot: Snapshot, ref: ObjectRef) -> tuple[str, ...]:
    live = "live: yes" if snapshot.live_for(ref) is not None else "live: not known"
    return (f"in revision {snapshot.change.current.number}: yes", live, "no keep policy on it")


def _others(snapshot: Snapshot) -> Iterator[Finding]:
    lost = [ref for ref in removed_objects(snapshot) if ref.kind not in DANGEROUS]
    if lost:
        yield Finding(
            OTHERS.id,
            OTHERS.severity,
            f"The rollback deletes {len(lost)} object{'s' if len(lost) > 1 else ''} that revision"
            f" {snapshot.change.target.number} does not have.",
            object=str(lost[0]) if len(lost) == 1 else "",
            evidence=tuple(str(ref) for ref in lost[:50]),
            remediation=f"To keep one, e.g.: {keep_hint(lost[0])}",
        )


CRD = Check(
    "CRD-DEL-001",
    "CRD would be deleted",
    ERROR,
    "A CustomResourceDefinition in the templates of the current revision is absent from the target. Deleting it deletes"
    " every one of its objects, in every namespace.",
    "Annotate the live CRD with helm.sh/resource-policy=keep.",
    _of_kind("CRD-DEL-001", "CustomResourceDefinition", "all its objects in the whole cluster go with it"),
)
NAMESPACE = Check(
    "NS-DEL-001",
    "Namespace would be deleted",
    ERROR,
    "A Namespace of the current revision is absent from the target; everything in it would be deleted.",
    "Annotate the live Namespace with helm.sh/resource-policy=keep.",
    _of_kind("NS-DEL-001", "Namespace", "everything in it goes with it"),
)
STATEFULSET = Check(
    "STS-DEL-001",
    "StatefulSet would be deleted",
    ERROR,
    "A StatefulSet of the current revision is absent from the target: its pods stop, its claims may be left or lost.",
    "Annotate the live StatefulSet with helm.sh/resource-policy=keep, or accept.",
    _of_kind("STS-DEL-001", "StatefulSet", "its pods stop"),
    needs=(STATEFUL_SET,),
)
OTHERS = Check(
    "DEL-001",
    "Objects would be deleted",
    WARNING,
    "Objects that only the current revision has are deleted by the rollback, unless the live object carries the keep"
    " policy.",
    "Read the list; annotate what must stay with helm.sh/resource-policy=keep.",
    _others,
)
