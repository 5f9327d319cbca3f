"""PROBE-018: a readiness gate whose condition nobody writes."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, POD, WARNING, Check
from helm_safe.checks.facts import Workload, pods_of, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.workloads import pod_template
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    gated = [(each, gates_of(each.template)) for each in workloads(snapshot.change.target, long_running=True)]
    if not any(gates for _, gates in gated):
        return
    written = {
        str(dig(each, "type")) for pod in snapshot.of_kind(*POD) for each in sequence(pod, "status", "conditions")
    }
    for workload, gates in gated:
        for gate in gates:
            if gate not in written and snapshot.knows(*POD):
                yield from _judge(snapshot, workload, gate)


def gates_of(template: Object) -> list[str]:
    """The condition types that a pod waits for besides its containers."""
    gates = (dig(each, "conditionType") for each in sequence(template, "spec", "readinessGates"))
    return [str(gate) for gate in gates if gate]


def _judge(snapshot: Snapshot, workload: Workload, gate: str) -> Iterator[Finding]:
    """No pod of the namespace has the condition; pods that wait for it prove that its controller is not at work."""
    waiting = [pod for pod in pods_of(snapshot, workload) if gate in gates_of(pod)]
    old = gate in gates_of(pod_template(snapshot.change.current.objects.get(workload.ref, {})))
    if not waiting and old:
        return
    tail = "live pods wait for it in vain" if waiting else "no pod of the namespace has it"
    yield Finding(
        CHECK.id,
        WARNING if old or not waiting else ERROR,
        f"Pods of {workload.ref} wait for the condition {gate}, which no controller seems to write: {tail}.",
        object=str(workload.ref),
        field="spec.template.spec.readinessGates",
        evidence=tuple(f"Pod/{dig(pod, 'metadata', 'name')}: {gate} is absent" for pod in waiting[:5])
        or ("no live pod names this gate",),
        remediation="See that the controller which writes this condition runs, or choose another revision.",
    )


CHECK = Check(
    "PROBE-018",
    "Readiness gate that nobody opens",
    ERROR,
    "Pods of the target have a readiness gate whose condition no live pod of the namespace carries. Without its"
    " controller they never become ready. An error where live pods already wait for it.",
    "See that the controller which writes the condition runs.",
    _run,
    needs=(POD,),
)
