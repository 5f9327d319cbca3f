"""STS-IMM-001: the target changes what a StatefulSet does not let change."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, STATEFUL_SET, Check
from helm_safe.checks.immutability import recreated, refuses_change, statefulset_fields
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref in snapshot.change.target.objects:
        if ref.kind != "StatefulSet" or recreated(snapshot, ref):
            continue
        evidence = _refusal(snapshot, ref)
        if evidence:
            yield Finding(
                CHECK.id,
                CHECK.severity,
                f"{ref} differs from the target in fields that a StatefulSet cannot change.",
                object=str(ref),
                field=evidence[0].removeprefix("changed: ") if evidence[0].startswith("changed: ") else "",
                evidence=evidence,
                remediation=f"Let the rollback make it anew: --recreate {ref}; its claims and their data stay.",
            )


def _refusal(snapshot: Snapshot, ref: ObjectRef) -> tuple[str, ...]:
    answer = snapshot.dry_run.get(ref)
    if answer is not None and answer.accepted:
        return ()
    before = snapshot.change.current.objects.get(ref)
    fields = statefulset_fields(before, snapshot.change.target.objects[ref]) if before else []
    said = (f"{answer.status}: {answer.message}",) if answer is not None and refuses_change(answer) else ()
    return (*(f"changed: {field}" for field in fields), *said)


CHECK = Check(
    "STS-IMM-001",
    "StatefulSet cannot change so",
    ERROR,
    "selector, serviceName, podManagementPolicy and volumeClaimTemplates of a StatefulSet are immutable. The API server"
    " refuses the object, and the rollback ends half applied.",
    "Allow it to be made anew with --recreate StatefulSet/NAME, or roll forward.",
    _run,
    needs=(STATEFUL_SET,),
)
