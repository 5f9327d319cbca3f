"""CRD-001: a CustomResourceDefinition that cannot go back, or whose objects could no longer be read."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import DEFINITION, ERROR, SERVICE, Check
from helm_safe.checks.facts import removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target = {ref: obj for ref, obj in snapshot.change.target.objects.items() if (ref.group, ref.kind) == DEFINITION}
    if target and DEFINITION in snapshot.denied:
        yield CHECK.unverified(
            f"Whether {len(target)} CustomResourceDefinition(s) of the target can go back is not verified: they"
            " cannot be listed.",
            f"reason: {snapshot.denied[DEFINITION]}",
            remediation="Grant the verb list on customresourcedefinitions.apiextensions.k8s.io.",
        )
    lost = removed_objects(snapshot)
    live = {ref: obj for ref, obj in snapshot.live.items() if (ref.group, ref.kind) == DEFINITION and ref not in lost}
    for ref, obj in target.items():
        yield from _stored(ref, obj, live.get(ref))
    for ref, obj in {**live, **target}.items():
        yield from _conversion(ref, obj, set(lost))


def _stored(ref: ObjectRef, obj: Object, live: Object | None) -> Iterator[Finding]:
    """The API server keeps every version in which objects may lie in its store."""
    has = {str(dig(version, "name")) for version in sequence(obj, "spec", "versions")}
    gone = [str(each) for each in sequence(live, "status", "storedVersions") if str(each) not in has]
    if gone and has:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"{ref} of the target lacks version {', '.join(gone)}, in which objects are stored: the API server"
            " refuses it, and the rollback stops half way.",
            object=str(ref),
            field="spec.versions",
            evidence=(f"stored: {', '.join(gone)}", f"target: {', '.join(sorted(has))}"),
            remediation="Store the objects in an older version first (kube-storage-version-migrator), or keep the newer"
            " definition: take it out of the chart's templates.",
        )


def _conversion(ref: ObjectRef, obj: Object, lost: set[ObjectRef]) -> Iterator[Finding]:
    conversion = dig(obj, "spec", "conversion")
    service = dig(conversion, "webhook", "clientConfig", "service")
    asked = ObjectRef(*SERVICE, str(dig(service, "namespace")), str(dig(service, "name")))
    if dig(conversion, "strategy") == "Webhook" and asked in lost:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"Objects of {ref} are converted by {asked}, which the rollback deletes: reading any of them would fail.",
            object=str(ref),
            field="spec.conversion",
            evidence=(f"conversion webhook: {asked.namespace}/{asked.name}",),
            remediation=f"Keep {asked} and its pods, or set the conversion strategy to None where the versions agree.",
        )


CHECK = Check(
    "CRD-001",
    "Definition cannot go back",
    ERROR,
    "A CustomResourceDefinition of the target lacks a version in which objects are stored, or its objects are"
    " converted by a webhook whose Service the rollback deletes. Definitions are read where the release has some.",
    "Migrate the stored objects first, or keep the newer definition.",
    _run,
)
