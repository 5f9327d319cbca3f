"""DB-CR-001: a schema operator would bring the database back to the target's shape."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, Check
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.snapshot import Snapshot

_ATLAS, _HERO, _CNPG = "db.atlasgo.io", "schemas.schemahero.io", "postgresql.cnpg.io"


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    change = snapshot.change
    for ref, obj in change.target.objects.items():
        before = change.current.objects.get(ref)
        if before is not None and before.get("spec") != obj.get("spec"):
            danger = _danger(ref, obj)
            if danger:
                yield _finding(snapshot, ref, danger)
    for ref, obj in change.current.objects.items():
        gone = (ref.group, ref.kind) == (_CNPG, "Database") and ref not in change.target.objects
        if gone and dig(obj, "spec", "databaseReclaimPolicy") == "delete":
            yield _finding(snapshot, ref, "the rollback deletes it, and its policy then drops the database")


def _danger(ref: ObjectRef, obj: Object) -> str:
    """What the operator does with the older object; "" where its own guards hold."""
    if (ref.group, ref.kind) == (_ATLAS, "AtlasSchema"):
        guarded = dig(obj, "spec", "policy", "lint", "destructive", "error") is True
        skips = dig(obj, "spec", "policy", "diff", "skip")
        spared = isinstance(skips, dict) and skips.get("drop_column") and skips.get("drop_table")
        return "" if guarded or spared else "Atlas plans away the tables and columns that it does not name"
    if (ref.group, ref.kind) == (_ATLAS, "AtlasMigration"):
        allowed = dig(obj, "spec", "protectedFlows", "migrateDown", "allow") is True
        return "Atlas migrates down by itself (protectedFlows.migrateDown.allow)" if allowed else ""
    if ref.group == _HERO and ref.kind == "Table":
        return "SchemaHero plans a change back to it, which drops the columns that it does not name"
    return ""


def _finding(snapshot: Snapshot, ref: ObjectRef, danger: str) -> Finding:
    number = snapshot.change.target.number
    return Finding(
        CHECK.id,
        ERROR,
        f"With {ref} as in revision {number} {danger}: the rollback of the release moves the database itself.",
        object=str(ref),
        evidence=(f"L3: {ref} differs between revision {snapshot.change.current.number} and {number}",),
        remediation="Let the operator refuse what is destructive (its policy), or roll forward.",
    )


CHECK = Check(
    "DB-CR-001",
    "Operator would change the schema back",
    ERROR,
    "Objects of Atlas, SchemaHero or CloudNativePG in the chart go back with the release, and their operators then drop"
    " what the older object does not name: the one case in which a rollback does move the database.",
    "Set the operator's policy against destructive changes, or roll forward.",
    _run,
)
