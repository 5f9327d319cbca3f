"""WH-001: the API server asks a Service that the rollback deletes."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, SERVICE, WARNING, WEBHOOKS, Check
from helm_safe.checks.facts import removed_objects
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    lost = removed_objects(snapshot)
    services = lost_services(snapshot)
    after = {ref: obj for ref, obj in snapshot.live.items() if (ref.group, ref.kind) in WEBHOOKS and ref not in lost}
    after |= {ref: obj for ref, obj in snapshot.change.target.objects.items() if (ref.group, ref.kind) in WEBHOOKS}
    for ref, obj in after.items() if services else ():
        for name, service, fatal in _asked(ref, obj):
            if service in services:
                yield _finding(ref, name, service, ERROR if fatal else WARNING)


def lost_services(snapshot: Snapshot) -> set[ObjectRef]:
    """The Services that the rollback deletes."""
    return {ref for ref in removed_objects(snapshot) if (ref.group, ref.kind) == SERVICE}


def _asked(ref: ObjectRef, obj: Object) -> Iterator[tuple[str, ObjectRef, bool]]:
    """(name, the Service, whether requests fail without it) of every one that the API server would ask."""
    if ref.kind == "APIService":
        yield "", _service(dig(obj, "spec", "service")), True
    for webhook in sequence(obj, "webhooks"):
        fatal = dig(webhook, "failurePolicy") != "Ignore"
        yield str(dig(webhook, "name")), _service(dig(webhook, "clientConfig", "service")), fatal


def _service(found: object) -> ObjectRef:
    return ObjectRef(*SERVICE, str(dig(found, "namespace")), str(dig(found, "name")))


def _finding(ref: ObjectRef, name: str, service: ObjectRef, severity: Severity) -> Finding:
    effect = "its API group stops answering" if ref.kind == "APIService" else "every request that it covers fails"
    if severity is WARNING:
        effect = "requests go through unseen (failurePolicy: Ignore), each a little later"
    return Finding(
        CHECK.id,
        severity,
        f"{ref} stays and sends requests to {service}, which the rollback deletes: {effect}.",
        object=str(ref),
        field=f"webhooks[{name}].clientConfig.service" if name else "spec.service",
        evidence=(f"asked: {service.namespace}/{service.name}",),
        remediation=f"Delete {ref} with the rollback, or keep {service} and its pods.",
    )


CHECK = Check(
    "WH-001",
    "Webhook without its server",
    ERROR,
    "A webhook configuration or an APIService that outlives the rollback points to a Service that the rollback deletes."
    " With failurePolicy Fail (the default) writes to the cluster fail from then on, perhaps those of this very"
    " rollback.",
    "Delete the configuration together with its Service, or keep both.",
    _run,
    needs=WEBHOOKS,
    when=lambda snapshot: bool(lost_services(snapshot)),
)
