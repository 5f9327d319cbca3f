"""STBY-008: the live Service aims at a port that the target's pods do not have."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, SERVICE, Check
from helm_safe.checks.doubles import declared_ports, doubled, staged
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.core.workloads import pod_template
from helm_safe.model.routes import service_of
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.staging import Staged


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for each in staged(snapshot):
        for door in each.doors:
            ref = ObjectRef("", "Service", each.workload.namespace, service_of(door.service))
            restored = snapshot.change.target.objects.get(ref)
            if restored is not None:
                yield from _judge(snapshot, each, snapshot.live_for(ref) or {}, restored)


def _judge(snapshot: Snapshot, each: Staged, live: Object, restored: Object) -> Iterator[Finding]:
    declared = declared_ports(pod_template(snapshot.change.target.objects.get(each.workload, {})))
    after = {dig(port, "port"): _aim(port) for port in sequence(restored, "spec", "ports") if _number(port)}
    for port in sequence(live, "spec", "ports"):
        number, aim = _number(port), _aim(port)
        if number and number in after and after[number] != aim and aim not in declared:
            service = dig(live, "metadata", "name")
            yield Finding(
                CHECK.id,
                CHECK.severity,
                f"Port {number} of Service/{service} ends at {aim} of the pods now and at {after[number]} in revision"
                f" {snapshot.change.target.number}: until the native rollback has changed the Service, it cannot serve"
                " the standby's pods.",
                object=f"Service/{service}",
                field="spec.ports",
                evidence=(f"now: {aim}", f"in the target: {after[number]}"),
                remediation="Use --strategy native, or a named targetPort in both revisions.",
            )


def _number(port: object) -> int:
    number = dig(port, "port")
    return number if isinstance(number, int) else 0


def _aim(port: object) -> str:
    return str(dig(port, "targetPort") or dig(port, "port"))


CHECK = Check(
    "STBY-008",
    "Port of the Service moves",
    ERROR,
    "Right before the native rollback the live Service serves the standby's pods. Where it aims at a port that the"
    " target's pods do not have, users whose route points at it would be refused for that moment.",
    "Use --strategy native, or a named targetPort in both revisions.",
    _run,
    needs=(SERVICE,),
    when=doubled,
)
