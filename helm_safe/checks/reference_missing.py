"""CFG-004: the target's pods need something that does not exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from helm_safe.checks.base import ACCOUNT, CLAIM, CONFIG_MAP, ERROR, PRIORITY_CLASS, SECRET, WARNING, Check
from helm_safe.checks.facts import Workload, removed_objects, workloads
from helm_safe.checks.missing import Missing, missing_references
from helm_safe.core.findings import Finding
from helm_safe.core.references import Role, references_of
from helm_safe.core.workloads import pod_template
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    users: dict[str, list[tuple[Workload, Missing]]] = defaultdict(list)
    lost, made = removed_objects(snapshot), snapshot.change.target.objects
    for workload in workloads(snapshot.change.target):
        for each in missing_references(snapshot, workload.template, workload.ref.namespace, made, lost):
            users[each.name].append((workload, each))
    for found in users.values():
        yield _finding(snapshot, found)


def _finding(snapshot: Snapshot, users: list[tuple[Workload, Missing]]) -> Finding:
    workload, first = users[0]
    tolerated = all(_pulls_without(snapshot, user, each) for user, each in users)
    return Finding(
        CHECK.id,
        WARNING if tolerated else ERROR,
        f"{workload.ref} of revision {snapshot.change.target.number} needs {first.name}, which {first.gone}.",
        object=str(first.ref),
        field=f"data.{first.used.key}" if first.used.key else "",
        evidence=tuple(dict.fromkeys(f"{user.ref}: {each.used.where}" for user, each in users))[:20],
        remediation=_remedy(first),
    )


def _pulls_without(snapshot: Snapshot, workload: Workload, each: Missing) -> bool:
    """A pull secret that the current pods miss as well is evidently not needed."""
    if each.used.role is not Role.PULL:
        return False
    current = snapshot.change.current.objects.get(workload.ref, {})
    return any(
        other.role is Role.PULL and other.name == each.used.name for other in references_of(pod_template(current))
    )


def _remedy(missing: Missing) -> str:
    where = f" in namespace {missing.ref.namespace}" if missing.ref.namespace else ""
    if missing.used.key:
        return f"Put the key {missing.used.key} back into {missing.ref}{where}, then try again."
    return f"Create {missing.ref}{where} as these pods expect it, or choose another revision."


CHECK = Check(
    "CFG-004",
    "Missing reference",
    ERROR,
    "Pods of the target refer to a ConfigMap, Secret, key, ServiceAccount, image pull secret, claim or PriorityClass"
    " that neither lives in the cluster nor comes with the target: they would never start.",
    "Create what is missing, or choose another revision.",
    _run,
    needs=(CONFIG_MAP, SECRET, ACCOUNT, CLAIM, PRIORITY_CLASS),
)
