"""RS-001: the pods of the target are made anew, because their old ReplicaSet is gone."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import INFO, REPLICA_SET, WARNING, Check
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.rolling import rolls
from helm_safe.core.differences import differences
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, mapping, name_of, namespace_of, sequence
from helm_safe.core.workloads import images
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not snapshot.knows(*REPLICA_SET):
        return
    owned: dict[tuple[str, str], list[Object]] = {}
    for each in snapshot.of_kind(*REPLICA_SET):
        for owner in sequence(each, "metadata", "ownerReferences"):
            if dig(owner, "kind") == "Deployment":
                owned.setdefault((namespace_of(each), str(dig(owner, "name"))), []).append(each)
    gone = [
        workload
        for workload in workloads(snapshot.change.target, long_running=True)
        if workload.kind.kind == "Deployment"
        and rolls(snapshot, workload)
        and (sets := owned.get((workload.ref.namespace, workload.ref.name)))
        and not any(_made_of(workload, each) for each in sets)
    ]
    if gone:
        yield _finding(snapshot, gone, owned)


def _made_of(workload: Workload, replica_set: Object) -> bool:
    """Whether a ReplicaSet has the target's pods: nothing that the template states is contradicted."""
    template = mapping(replica_set, "spec", "template")
    same = images(template) == images(workload.template)
    return same and not any(differences(mapping(workload.template, "spec"), mapping(template, "spec")))


def _finding(snapshot: Snapshot, gone: list[Workload], owned: dict[tuple[str, str], list[Object]]) -> Finding:
    first = gone[0]
    sets = owned[first.ref.namespace, first.ref.name]
    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return Finding(
        CHECK.id,
        INFO,
        f"No ReplicaSet of {first.ref}{more} holds the pods of revision {snapshot.change.target.number} any more:"
        " that they once ran as they stand in the record cannot be seen in the cluster.",
        object=str(first.ref),
        evidence=tuple(f"there is: {name_of(each)}" for each in sets[:10]),
        remediation="Nothing to do; a higher revisionHistoryLimit keeps them longer.",
    )


CHECK = Check(
    "RS-001",
    "Old ReplicaSet gone",
    # Each finding is information; that ReplicaSets may not be listed is more, because the evidence of a run needs them.
    WARNING,
    "No ReplicaSet with the target's pods is left, either because revisionHistoryLimit removed it or because something"
    " besides Helm changed the pods then. They are made anew from the record.",
    "Nothing to do; a higher revisionHistoryLimit keeps old ReplicaSets longer.",
    _run,
    needs=(REPLICA_SET,),
)
