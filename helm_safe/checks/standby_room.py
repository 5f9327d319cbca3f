"""STBY-007: the nodes have no room for the standby, even if nobody else ran on them."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.amounts import BILLION, amount, per_pod, say
from helm_safe.checks.base import NODE, POD, WARNING, Check
from helm_safe.checks.doubles import doubled, doubled_workloads, staged
from helm_safe.checks.facts import Workload
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, labels_of, mapping, name_of, sequence
from helm_safe.model.snapshot import Snapshot

_MEASURES = ("cpu", "memory", "pods")
_DONE = ("Succeeded", "Failed")

Room = dict[str, int]


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    room = _free(snapshot)
    if not room:
        return
    counts = {each.workload: each.replicas for each in staged(snapshot)}
    nodes = {name_of(node): node for node in snapshot.of_kind(*NODE)}
    for workload in doubled_workloads(snapshot):
        need, wanted = _need(workload.template), max(0, counts[workload.ref])
        allowed = [name for name in sorted(room) if _allows(nodes[name], workload)]
        placed = _place(need, wanted, [room[name] for name in allowed])
        if placed < wanted:
            yield _finding(workload, need, wanted, placed, len(allowed))


def _free(snapshot: Snapshot) -> dict[str, Room]:
    """Node -> what it could still take, counting only the pods of this namespace: others are not read."""
    room = {
        name_of(node): {measure: amount(dig(node, "status", "allocatable", measure)) for measure in _MEASURES}
        for node in snapshot.of_kind(*NODE)
        if dig(node, "spec", "unschedulable") is not True
    }
    for pod in snapshot.of_kind(*POD):
        free = room.get(str(dig(pod, "spec", "nodeName")))
        if free is not None and dig(pod, "status", "phase") not in _DONE:
            _take(free, _need(pod), 1)
    return room


def _need(template: Object) -> Room:
    return {
        "cpu": per_pod(template, "requests", "cpu"),
        "memory": per_pod(template, "requests", "memory"),
        "pods": BILLION,
    }


def _place(need: Room, wanted: int, nodes: list[Room]) -> int:
    """How many pods find a node; what they take is taken."""
    placed = 0
    for free in nodes:
        fits = min((free[measure] // need[measure] for measure in _MEASURES if need[measure] > 0), default=0)
        count = max(0, min(wanted - placed, fits))
        _take(free, need, count)
        placed += count
    return placed


def _take(free: Room, need: Room, count: int) -> None:
    for measure in _MEASURES:
        free[measure] -= need[measure] * count


def _allows(node: Object, workload: Workload) -> bool:
    """Whether node selector and taints let the workload's pods onto a node; affinities are not weighed."""
    labels = labels_of(node)
    wanted = mapping(workload.template, "spec", "nodeSelector")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_tolerated(taint, workload.template) for taint in sequence(node, "spec", "taints"))


def _tolerated(taint: object, template: Object) -> bool:
    if dig(taint, "effect") not in ("NoSchedule", "NoExecute"):
        return True
    return any(dig(each, "key") in (None, "", dig(taint, "key")) for each in sequence(template, "spec", "tolerations"))


def _finding(workload: Workload, need: Room, wanted: int, placed: int, nodes: int) -> Finding:
    each = f"{say(need['cpu'])} CPU and {say(need['memory'])} of memory each"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"At most {placed} of the {wanted} standby pods of {workload.ref} find a node ({each}), even if no other"
        " namespace used any: the rest would wait until a node is added.",
        object=str(workload.ref),
        evidence=(f"nodes that may take them: {nodes}", f"needed: {wanted} pods, {each}"),
        remediation="Add nodes, scale something else down, or use --strategy native. If a cluster autoscaler adds"
        " nodes, nothing is to be done.",
    )


CHECK = Check(
    "STBY-007",
    "No room for the standby",
    WARNING,
    "The standby's pods ask for more than the nodes have left after the pods of this namespace. Pods of other"
    " namespaces are not read, so silence does not prove that there is room; no traffic moves before the standby's pods"
    " are ready.",
    "Add nodes, or use --strategy native.",
    _run,
    needs=(NODE, POD),
    when=doubled,
)
