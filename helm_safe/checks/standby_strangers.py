"""STBY-003: policies under which the standby's pods would be strangers, and which cannot be copied."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.checks.doubles import doubled, staged, standbys
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.model.own import CannotStandBy, ours
from helm_safe.model.routes import service_of
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.standby_guards import GUARDS

DESTINATION_RULE = ("networking.istio.io", "DestinationRule")
BACKEND_TLS = ("gateway.networking.k8s.io", "BackendTLSPolicy")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if not staged(snapshot):
        return
    try:
        planned = standbys(snapshot).all
    except CannotStandBy:
        return
    for each in planned:
        changed = f"labels that change: {', '.join(each.labels.returned)}"
        for ref in each.peers:
            yield _finding(
                ref, f"{ref} lets the pods of {each.staged.workload} through by a label that changes", changed
            )
        for lost in each.lost:
            if not lost.guard.copied:
                yield _finding(
                    lost.ref, f"{lost.ref} would not hold for the standby, and a copy would not work", changed
                )
    yield from _by_name(snapshot)


def _by_name(snapshot: Snapshot) -> Iterator[Finding]:
    """Policies attached to the live Service by its name: they do not hold for ours."""
    doors = {(each.workload.namespace, service_of(door.service)) for each in staged(snapshot) for door in each.doors}
    for ref, obj in sorted({**snapshot.live, **snapshot.change.target.objects}.items()):
        if ours(obj):
            continue
        for namespace, service in sorted(doors):
            if ref.namespace == namespace and _attached(ref, obj, namespace, service):
                rule = (ref.group, ref.kind) == DESTINATION_RULE
                yield _finding(
                    ref,
                    f"{ref} holds for Service/{service} by its name and not for the standby's Service",
                    f"attached to: Service/{service}",
                    mild=rule,
                )


def _attached(ref: ObjectRef, obj: Object, namespace: str, service: str) -> bool:
    if (ref.group, ref.kind) == DESTINATION_RULE:
        host = str(dig(obj, "spec", "host") or "")
        return host == service or host.split(".")[:2] == [service, namespace]
    aims = [*sequence(obj, "spec", "targetRefs"), dig(obj, "spec", "targetRef")]
    return any(dig(aim, "kind") == "Service" and dig(aim, "name") == service for aim in aims)


def _finding(ref: ObjectRef, why: str, evidence: str, *, mild: bool = False) -> Finding:
    return Finding(
        CHECK.id,
        WARNING if mild else CHECK.severity,
        f"{why}: traffic from or to the standby may be refused, or go unprotected.",
        object=str(ref),
        evidence=(evidence,),
        remediation="Let it hold for pods with the label helm-safe.dev/role=standby too, or accept it:"
        f' --accept {CHECK.id}="why".',
    )


CHECK = Check(
    "STBY-003",
    "Policies that miss the standby",
    ERROR,
    "Policies of others name the current pods by a label that changes, or the Service by its name. What they allow or"
    " demand would not hold for the standby, and a copy of them would not help.",
    "Let the policy hold for the label helm-safe.dev/role=standby too, or use --strategy native.",
    _run,
    needs=(*GUARDS, DESTINATION_RULE, BACKEND_TLS),
    when=doubled,
)
