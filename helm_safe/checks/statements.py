"""What SQL text does to code that was written before it; parsed by sqlglot, and unknown where that cannot be done."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from helm_safe.model.schema import Effect
from helm_safe.model.told import Told

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

MAX_TEXT = 256 * 1024
"""Characters of SQL that are parsed; longer texts are unknown."""
_HARMLESS = (
    "Select",
    "Set",
    "Commit",
    "Rollback",
    "Transaction",
    "Comment",
    "Grant",
    "Revoke",
    "Use",
    "Analyze",
    "Pragma",
)
_COMMANDS: tuple[tuple[str, Effect, str], ...] = (
    (r"ALTER\s+TYPE\s+(\S+)\s+ADD\s+VALUE", Effect.SEMANTIC, "adds a value to an enum"),
    (r"ALTER\s+TYPE\s+(\S+)\s+RENAME", Effect.INCOMPATIBLE, "renames a type or a value"),
    (r"RENAME\s+TABLE\s+(\S+)", Effect.INCOMPATIBLE, "renames the table"),
    (r"ALTER\s+INDEX\s+(\S+)", Effect.ADDITIVE, "changes an index"),
    (r"ALTER\s+SEQUENCE\s+(\S+)", Effect.ADDITIVE, "changes a sequence"),
    (r"(?:EXEC\s+)?SP_RENAME\s+'?([\w.]+)", Effect.INCOMPATIBLE, "renames"),
    (r"(?:VACUUM|ANALYZE|REINDEX|GRANT|REVOKE|LOCK\s+TABLE|BEGIN|COMMIT|SET|CREATE\s+EXTENSION)\b()", Effect.ADDITIVE,
     ""),
)  # fmt: skip


def told_by(text: str) -> list[Told]:
    """The changes of a script, a row for each; UNKNOWN where it cannot be parsed. Harmless statements are left out."""
    from sqlglot import ErrorLevel, parse
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it tells on stderr what it falls back from
    if len(text) > MAX_TEXT:
        return [Told(Effect.UNKNOWN, "", f"{len(text) // 1024} KB of SQL, more than is parsed")]
    dialect = "mysql" if "`" in text else "postgres"
    try:
        found = [each for each in parse(up_part(text), read=dialect, error_level=ErrorLevel.RAISE) if each is not None]
    except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError):
        return [Told(Effect.UNKNOWN, "", "SQL that cannot be parsed")]
    new = {told.object for each in found for told in _one(each) if told.words in (_ADDS, _CREATES, _REQUIRES)}
    return [told for each in found for told in _one(each) if not _of_new(told, new)]


def up_part(text: str) -> str:
    """Without the part that undoes it: goose and dbmate keep both in one file."""
    lines: list[str] = []
    for line in text.splitlines():
        if re.match(r"\s*--\s*(?:\+goose\s+Down|migrate:down|\+migrate\s+Down|rollback\b)", line, re.IGNORECASE):
            break
        lines.append(line)
    return "\n".join(lines)


_ADDS, _CREATES = "adds the column", "creates the table"
_REQUIRES = "adds it as NOT NULL without a default: INSERTs of old code fail"


def _of_new(told: Told, new: set[str]) -> bool:
    """What a script does to what it has just made itself cannot hurt older code."""
    if told.words in (_ADDS, _CREATES, _REQUIRES):
        return False
    table = told.object.partition(".")[0]
    return table in new or told.object in new


def _one(tree: Expr) -> Iterator[Told]:
    name, table = type(tree).__name__, _table(tree)
    if name in _SIMPLE:
        yield Told(_SIMPLE[name][0], table, _SIMPLE[name][1])
    elif name in _READERS:
        yield from _READERS[name](tree, table)
    elif name not in _HARMLESS:
        yield Told(Effect.UNKNOWN, table, f"{name}: its effect is not known")


_SIMPLE = {
    "TruncateTable": (Effect.DESTRUCTIVE, "deletes rows"),
    "Delete": (Effect.DESTRUCTIVE, "deletes rows"),
    "Insert": (Effect.SEMANTIC, "writes rows"),
    "Merge": (Effect.SEMANTIC, "writes rows"),
    "Copy": (Effect.SEMANTIC, "writes rows"),
}


def _drop(tree: Any, table: str) -> Iterator[Told]:
    kind = str(tree.args.get("kind") or "").lower()
    effect = Effect.SEMANTIC if kind in ("index", "trigger") else Effect.DESTRUCTIVE
    yield Told(effect, table, f"drops the {kind or 'object'}")


def _table(tree: Any) -> str:
    from sqlglot import expressions as sql

    found = tree.find(sql.Table)
    return str(found.name) if found else ""


def _create(tree: Any, table: str) -> Iterator[Told]:
    kind = str(tree.args.get("kind") or "").upper()
    if kind == "INDEX":
        unique = bool(tree.args.get("unique"))
        yield Told(
            Effect.RESTRICTIVE if unique else Effect.ADDITIVE, table, f"makes {'a unique' if unique else 'an'} index"
        )
    elif kind in ("TRIGGER", "PROCEDURE", "FUNCTION") or tree.args.get("replace"):
        yield Told(Effect.SEMANTIC if kind != "TRIGGER" else Effect.UNKNOWN, table, f"makes a {kind.lower()}")
    else:
        yield Told(Effect.ADDITIVE, table, _CREATES if kind == "TABLE" else f"makes a {kind.lower()}")


def _alter(tree: Any, table: str) -> Iterator[Told]:
    for action in tree.args.get("actions") or ():
        name = type(action).__name__
        column = f"{table}.{action.name}" if getattr(action, "name", "") else table
        if name == "ColumnDef":
            yield from _added(action, column)
        elif name == "Drop":
            kind = str(action.args.get("kind") or "COLUMN").upper()
            effect = Effect.DESTRUCTIVE if kind == "COLUMN" else Effect.SEMANTIC
            yield Told(effect, f"{table}.{_name(action)}", f"drops the {kind.lower()}")
        elif name in ("AlterRename", "RenameColumn"):
            yield Told(
                Effect.INCOMPATIBLE, table if name == "AlterRename" else f"{table}.{_name(action)}", "renames it"
            )
        elif name == "AlterColumn":
            yield Told(*_altered(action, f"{table}.{_name(action)}"))
        elif name == "ModifyColumn":
            yield from _modified(action, table)
        elif name in ("AddConstraint", "UniqueColumnConstraint"):
            yield Told(Effect.RESTRICTIVE, table, f"adds a rule: {' '.join(action.sql().split())[:80]}")
        else:
            yield Told(Effect.UNKNOWN, table, f"{name}: its effect is not known")


def _name(action: Any) -> str:
    from sqlglot import expressions as sql

    found = action.find(sql.Identifier)
    return str(found.name) if found else str(action.name)


def _added(action: Any, column: str) -> Iterator[Told]:
    kinds = {
        type(each.args.get("kind")).__name__: each.args.get("kind") for each in action.args.get("constraints") or ()
    }
    must = "NotNullColumnConstraint" in kinds and not kinds["NotNullColumnConstraint"].args.get("allow_null")
    filled = any(
        "Default" in name or "Generated" in name or "Computed" in name or "AutoIncrement" in name for name in kinds
    )
    if must and not filled:
        yield Told(Effect.RESTRICTIVE, column, _REQUIRES)
    else:
        yield Told(Effect.ADDITIVE, column, _ADDS)


def _altered(action: Any, column: str) -> tuple[Effect, str, str]:
    args = action.args
    if args.get("dtype"):
        return Effect.INCOMPATIBLE, column, f"changes its type to {args['dtype'].sql().lower()}"
    if args.get("allow_null") is False:
        return Effect.RESTRICTIVE, column, "makes it NOT NULL"
    if args.get("drop") and args.get("allow_null"):
        return Effect.SEMANTIC, column, "lets it be NULL"
    if args.get("drop"):
        return Effect.RESTRICTIVE, column, "drops its default"
    return Effect.ADDITIVE, column, "gives it a default"


def _modified(action: Any, table: str) -> Iterator[Told]:
    """MySQL states the whole column anew; what it was before is not in the text."""
    text = " ".join(action.sql().split())
    renamed = text.upper().startswith("CHANGE")
    yield Told(Effect.INCOMPATIBLE, table, f"{'renames' if renamed else 'states anew'} a column: {text[:80]}")


def _update(tree: Any, table: str) -> Iterator[Told]:
    for pair in tree.args.get("expressions") or ():
        yield Told(Effect.DESTRUCTIVE, f"{table}.{pair.this.name}", "rewrites its values")


def _command(tree: Any, _table: str) -> Iterator[Told]:
    bare = " ".join(tree.sql().split())
    for pattern, effect, words in _COMMANDS:
        found = re.match(pattern, bare, re.IGNORECASE)
        if found:
            if words:
                yield Told(effect, found[1].strip("\"'`;"), words)
            return
    yield Told(Effect.UNKNOWN, "", f"{bare.split(' ', maxsplit=1)[0]}: its effect is not known")


_READERS: dict[str, Callable[[Any, str], Iterator[Told]]] = {
    "Create": _create,
    "Drop": _drop,
    "Alter": _alter,
    "Update": _update,
    "Command": _command,
}
