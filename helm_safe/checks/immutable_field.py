"""IMM-001: the target changes a field that Kubernetes does not let anybody change."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.immutability import fixed_fields, recreated, refuses_change
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref in snapshot.change.target.objects:
        # StatefulSets and claims have checks of their own that know more.
        if recreated(snapshot, ref) or ref.kind == "StatefulSet":
            continue
        told, evidence = _refusal(snapshot, ref)
        if evidence:
            yield _finding(ref, evidence, told=told)


def _refusal(snapshot: Snapshot, ref: ObjectRef) -> tuple[bool, tuple[str, ...]]:
    """(whether the server said it, the evidence); the server's answer wins over the table."""
    answer = snapshot.dry_run.get(ref)
    if answer is not None and answer.status:
        return True, (f"{answer.status}: {answer.message}",) if refuses_change(answer) else ()
    before = snapshot.change.current.objects.get(ref)
    if before is None:
        return False, ()
    return False, tuple(f"changed: {each}" for each in fixed_fields(before, snapshot.change.target.objects[ref], ref))


def _finding(ref: ObjectRef, evidence: tuple[str, ...], *, told: bool) -> Finding:
    source = "the API server refuses it" if told else "Kubernetes forbids it"
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"{ref} cannot be changed in place to what the target wants: {source}.",
        object=str(ref),
        field="" if told else evidence[0].removeprefix("changed: "),
        evidence=evidence,
        remediation=f"Allow it to be deleted and made anew: --recreate {ref}",
    )


CHECK = Check(
    "IMM-001",
    "Immutable field",
    ERROR,
    "A field that is immutable once set differs between the live object and the target, e.g. the template of a Job or"
    " the selector of a Deployment. Helm applies everything else and then fails.",
    "Allow the object to be deleted and made anew with --recreate KIND/NAME, or roll forward.",
    _run,
)
