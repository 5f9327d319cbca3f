"""What became of the database since the target was live: the best evidence at hand, and its level.

L1 declared by the newer revisions, L2 SQL in the release's own objects, L3 what migration tables tell of their rows, L4
the schema itself, then and now.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.facts import between
from helm_safe.checks.statements import told_by
from helm_safe.core.annotations import PREFIX
from helm_safe.core.findings import Finding
from helm_safe.core.objects import annotations_of, mapping
from helm_safe.core.workloads import pod_template
from helm_safe.model.migrated import Advance, advances
from helm_safe.model.revisions import Revision
from helm_safe.model.schema import Effect, SchemaChange, changes
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.told import told

KIND, VERSION, FORWARD_ONLY = "schema-kind", "schema-version", "forward-only"
OLDEST, FLOOR = "oldest-compatible-schema", "rollback-floor"
_SQL = (".sql",)
ONE_WAY = ("contract", "irreversible")


class Effected(NamedTuple):
    """One change that matters to the target. source: where it is known from, its level first."""

    effect: Effect
    object: str
    words: str
    source: str


def declared(revision: Revision, name: str) -> str:
    """What a revision declares, on any of its objects, a pod template or its Chart.yaml; "" where nothing."""
    key = PREFIX + name
    for obj in revision.objects.values():
        for place in (obj, pod_template(obj)):
            value = annotations_of(place).get(key)
            if value is not None:
                return str(value)
    return revision.marks.get(key, "")


def compared(snapshot: Snapshot) -> list[SchemaChange] | None:
    """The schema then and now; None where one of them is not known."""
    then, now = snapshot.state.database_then, snapshot.state.database
    return changes(then.schema, now.schema) if then and now else None


def since_target(snapshot: Snapshot) -> list[Advance]:
    """What migration tools did to the database after the target was released, as far as it could be read."""
    now, then = snapshot.state.database, snapshot.state.database_then
    if now is None:
        return []
    undone = between(snapshot)
    return advances(then.ledgers if then else None, now.ledgers, undone[0].deployed_at if undone else None)


def effects(snapshot: Snapshot) -> list[Effected]:
    """Every change that is known, by the best evidence: the schema itself ends all guessing."""
    exact = compared(snapshot)
    if exact is not None:
        return [Effected(each.effect, each.object, each.words, "L4: the schema then and now") for each in exact]
    return [*_rows(snapshot), *_scripts(snapshot)]


def _rows(snapshot: Snapshot) -> Iterator[Effected]:
    for advance in since_target(snapshot):
        for row in advance.rows:
            for each in told(advance.ledger.tool, row.text):
                source = f"L3: {advance.ledger.tool}'s row {row.version} in {advance.ledger.table}"
                yield Effected(each.effect, each.object, each.words, source)


def _scripts(snapshot: Snapshot) -> Iterator[Effected]:
    """SQL files that came into ConfigMaps of the release after the target."""
    known = _sql_of(snapshot.change.target)
    for revision in between(snapshot):
        for where, text in _sql_of(revision).items():
            if known.get(where) == text:
                continue
            known[where] = text
            for each in told_by(text):
                yield Effected(each.effect, each.object, each.words, f"L2: {where} of revision {revision.number}")


def _sql_of(revision: Revision) -> dict[str, str]:
    """Files with SQL in the ConfigMaps of a revision and of its hooks; those that undo are left out."""
    found = {}
    for obj in (*revision.objects.values(), *(each for hook in revision.hooks for each in hook.objects)):
        for key, value in mapping(obj, "data").items() if obj.get("kind") == "ConfigMap" else ():
            name = str(key).lower()
            if name.endswith(_SQL) and not name.endswith(".down.sql") and not name.startswith(("u_", "undo")):
                found[f"{key} of ConfigMap/{mapping(obj, 'metadata').get('name')}"] = str(value)
    return found


def understood(snapshot: Snapshot) -> bool:
    """Whether the effect of what ran since the target is known, so that nobody has to guess."""
    if compared(snapshot) is not None:
        return True
    found = effects(snapshot)
    rows = [row for advance in since_target(snapshot) for row in advance.rows]
    told_of = {each.source for each in found if each.source.startswith("L3")}
    explained = not rows or len(told_of) == len(rows)
    return bool(found) and explained and all(each.effect is not Effect.UNKNOWN for each in found)


def findings_of(snapshot: Snapshot, effect: Effect, make: Finding, risk: str) -> Iterator[Finding]:
    """One finding for each object that was changed so. make: its id and severity; risk: what that means."""
    number = snapshot.change.target.number
    seen: dict[str, list[Effected]] = {}
    for each in effects(snapshot):
        if each.effect is effect:
            seen.setdefault(each.object or each.words, []).append(each)
    for name, rows in seen.items():
        said = "; ".join(dict.fromkeys(row.words for row in rows))
        yield make._replace(
            message=f"{_subject(rows[0], number)} {said}. {risk}",
            object=name,
            evidence=tuple(dict.fromkeys(row.source for row in rows)) + tuple(_history(snapshot)),
            remediation=_remedy(snapshot),
        )


def _subject(each: Effected, number: int) -> str:
    if each.source.startswith("L4"):
        return (
            f"{each.object}, present with revision {number}," if each.effect is not Effect.RESTRICTIVE else each.object
        )
    return f"{each.object or 'A migration'}, since revision {number}:"


def _history(snapshot: Snapshot) -> Iterator[str]:
    for advance in since_target(snapshot):
        names = ", ".join(row.version for row in advance.rows[-3:])
        if names:
            yield f"{advance.ledger.tool} applied {len(advance.rows)} since then: {names}"


def _remedy(snapshot: Snapshot) -> str:
    undo = next((each.undo for each in since_target(snapshot) if each.undo), "")
    current = snapshot.change.current.number
    words = "Roll forward. Lost data comes back from a backup only."
    return f"{words} The schema goes back by: {undo} (image of revision {current}; not run by us)" if undo else words
