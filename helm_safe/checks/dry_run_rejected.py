"""DRY-001: the API server refuses an object of the target."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.immutability import refuses_change
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.model.snapshot import DryRun, Snapshot

# 404: the object's namespace does not exist yet; 409: a conflict of owners, a check of its own.
_MEANINGFUL = (400, 401, 403, 404, 405, 406, 410, 413, 415, 422)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target = snapshot.change.target
    unasked = [
        ref
        for ref, obj in target.objects.items()
        if ref not in snapshot.dry_run and snapshot.served.of(obj) is not None
    ]
    if unasked:
        yield CHECK.unverified(
            f"{len(unasked)} of {len(target.objects)} objects of revision {target.number} had no dry run.",
            *(str(ref) for ref in unasked[:10]),
            remediation="Grant the verbs patch and create on these kinds: the dry run needs what the rollback needs.",
        )
    for ref, answer in snapshot.dry_run.items():
        yield from _judge(snapshot, ref, answer)


def _judge(snapshot: Snapshot, ref: ObjectRef, answer: DryRun) -> Iterator[Finding]:
    if answer.accepted or answer.status == 409 or refuses_change(answer):
        return
    evidence = f"{answer.status or 'no answer'} {answer.reason}: {answer.message}".strip(": ")
    if _undecided(snapshot, ref, answer):
        yield CHECK.unverified(f"The dry run of {ref} gave no verdict.", evidence, object=str(ref))
        return
    yield Finding(
        CHECK.id,
        CHECK.severity,
        f"The API server refuses {ref} of revision {snapshot.change.target.number}: {_cause(answer)}.",
        object=str(ref),
        evidence=(evidence,),
        remediation=CHECK.remedy,
    )


def _undecided(snapshot: Snapshot, ref: ObjectRef, answer: DryRun) -> bool:
    if answer.status not in _MEANINGFUL or "does not support dry run" in answer.message:
        return True
    namespaces = {each.name for each in snapshot.change.target.objects if (each.group, each.kind) == ("", "Namespace")}
    return answer.status == 404 and ref.namespace in namespaces


def _cause(answer: DryRun) -> str:
    text = answer.message.lower()
    if "exceeded quota" in text:
        return "a quota would be exceeded"
    if "admission webhook" in text or "denied the request" in text:
        return "an admission webhook denies it"
    if answer.status == 403:
        return "it is forbidden"
    if answer.status == 404:
        return "its namespace or kind does not exist"
    return "its content is not valid here"


CHECK = Check(
    "DRY-001",
    "Dry run rejected",
    ERROR,
    "Every object of the target is sent to the API server as a dry run: schema, admission, quota and permissions answer"
    " before anything is touched. Helm would go on with the other objects and leave the release half applied.",
    "Fix what the server names (quota, policy, permission, schema), or choose another revision.",
    _run,
)
