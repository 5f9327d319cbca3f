"""CFG-005: a Secret that the chart makes up anew with every revision."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from helm_safe.checks.base import INFO, SECRET, WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.checks.secrets import secret_hashes
from helm_safe.checks.volumes import lasting_volumes
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.core.references import references_of
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    change = snapshot.change
    for ref, obj in change.target.objects.items():
        current = change.current.objects.get(ref)
        if (ref.group, ref.kind) != SECRET or current is None:
            continue
        before, after = secret_hashes(current), secret_hashes(obj)
        differing = sorted(key for key, value in after.items() if key in before and before[key] != value)
        proofs = {key: proof for key in differing if (proof := _proof(snapshot, ref, key))}
        if proofs:
            yield _finding(snapshot, ref, proofs)


def _proof(snapshot: Snapshot, ref: ObjectRef, key: str) -> str:
    """Two revisions of the same chart and values that differ in the key all the same; "" where there are none."""
    applied = [each for each in snapshot.history.revisions if ref in each.objects and each.rollback_of is None]
    for one, other in pairwise(applied):
        hashes = [secret_hashes(each.objects[ref]).get(key) for each in (one, other)]
        if None not in hashes and hashes[0] != hashes[1] and _same_input(one, other):
            return f"revisions {one.number} and {other.number} have the same chart and values"
    return ""


def _same_input(one: Revision, other: Revision) -> bool:
    inputs = [(each.chart, each.chart_version, each.values_hash) for each in (one, other)]
    return inputs[0] == inputs[1] and all(inputs[0])


def _finding(snapshot: Snapshot, ref: ObjectRef, proofs: dict[str, str]) -> Finding:
    users = [each for each in workloads(snapshot.change.target) if _reads(ref, each.template, each.ref.namespace)]
    stateful = [each for each in users if lasting_volumes(each)]
    tail = (
        f"{stateful[0].ref} keeps data that was made with another one"
        if stateful
        else "whatever was made with the current one becomes invalid"
    )
    return Finding(
        CHECK.id,
        WARNING if stateful else INFO,
        f"{ref} is made up anew with every revision ({', '.join(list(proofs)[:5])}), and the rollback brings an old"
        f" value back: {tail}.",
        object=str(ref),
        field=f"data.{next(iter(proofs))}",
        evidence=(
            *(f"{key}: {proof}" for key, proof in list(proofs.items())[:10]),
            *(str(each.ref) for each in users[:10]),
        ),
        remediation=CHECK.remedy,
    )


def _reads(ref: ObjectRef, template: dict[str, object], namespace: str) -> bool:
    return any(ObjectRef(each.group, each.kind, namespace, each.name) == ref for each in references_of(template))


CHECK = Check(
    "CFG-005",
    "Random Secret",
    WARNING,
    "A value of a Secret differs between revisions of the same chart with the same values: the template makes it up"
    " (randAlphaNum, genCA) each time. A rollback brings an old one back, e.g. a password that the database on its"
    " volume does not know. Information where no pod that reads it keeps data.",
    "Let the chart look the live Secret up before it makes one, or keep the Secret outside the chart; be ready to"
    " set the current value again after the rollback.",
    _run,
)
