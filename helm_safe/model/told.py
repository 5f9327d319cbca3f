"""What the rows of migration tables tell of a change: Liquibase's change types and pgroll's operations. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from helm_safe.model.schema import Effect

_LIQUIBASE = {
    Effect.DESTRUCTIVE: (
        *("dropTable", "dropColumn", "dropAllTables", "dropView", "dropSequence", "dropProcedure", "delete", "update"),
        *("mergeColumns", "loadUpdateData"),
    ),
    Effect.INCOMPATIBLE: ("renameColumn", "renameTable", "renameView", "renameSequence", "modifyDataType"),
    Effect.RESTRICTIVE: (
        *("addNotNullConstraint", "addUniqueConstraint", "addPrimaryKey", "addForeignKeyConstraint"),
        *("addCheckConstraint", "dropDefaultValue"),
    ),
    Effect.SEMANTIC: ("dropNotNullConstraint", "insert", "loadData", "dropIndex"),
    Effect.ADDITIVE: (
        *("addColumn", "createTable", "createIndex", "createView", "createSequence", "addDefaultValue", "empty"),
        *("tagDatabase", "addLookupTable", "addAutoIncrement", "dropForeignKeyConstraint", "dropUniqueConstraint"),
        *("setTableRemarks", "setColumnRemarks", "output"),
    ),
}
_BY_TYPE = {name: effect for effect, names in _LIQUIBASE.items() for name in names}
_NAMED = re.compile(r"(tableName|columnName|newColumnName|oldColumnName|oldTableName|viewName)=([\w.\"`]+)")

_PGROLL = {
    "create_table": Effect.ADDITIVE,
    "add_column": Effect.ADDITIVE,
    "create_index": Effect.ADDITIVE,
    "create_constraint": Effect.RESTRICTIVE,
    "set_replica_identity": Effect.ADDITIVE,
    "drop_constraint": Effect.SEMANTIC,
    "drop_multicolumn_constraint": Effect.SEMANTIC,
    "drop_index": Effect.SEMANTIC,
    "rename_constraint": Effect.ADDITIVE,
    "rename_table": Effect.INCOMPATIBLE,
    "rename_column": Effect.INCOMPATIBLE,
    "alter_column": Effect.INCOMPATIBLE,
    "drop_table": Effect.DESTRUCTIVE,
    "drop_column": Effect.DESTRUCTIVE,
    "sql": Effect.UNKNOWN,
    "raw_sql": Effect.UNKNOWN,
}


class Told(NamedTuple):
    """One change that a row tells of. object: "orders.legacy_total", as far as it is named."""

    effect: Effect
    object: str
    words: str


def told(tool: str, text: str) -> list[Told]:
    """The changes of one row; empty where the tool's rows tell nothing, UNKNOWN where they cannot be understood."""
    if tool == "Liquibase":
        return [_liquibase(part.strip()) for part in text.split(";") if part.strip()]
    if tool == "pgroll":
        return _pgroll(text)
    return []


def _liquibase(part: str) -> Told:
    kind = part.split(maxsplit=1)[0].rstrip(",")
    names = dict(_NAMED.findall(part))
    table = names.get("tableName") or names.get("oldTableName") or names.get("viewName") or ""
    column = names.get("columnName") or names.get("oldColumnName") or ""
    return Told(_BY_TYPE.get(kind, Effect.UNKNOWN), ".".join(filter(None, (table, column))), kind)


def _pgroll(text: str) -> list[Told]:
    try:
        body: Any = json.loads(text)
    except ValueError:
        return [Told(Effect.UNKNOWN, "", "a migration that cannot be read")]
    operations = body.get("operations", ()) if isinstance(body, dict) else ()
    return [
        _operation(name, args)
        for operation in operations
        if isinstance(operation, dict)
        for name, args in operation.items()
    ]


def _operation(name: str, args: Any) -> Told:
    body = args if isinstance(args, dict) else {}
    column = body.get("column")
    named = column.get("name") if isinstance(column, dict) else column
    effect = _PGROLL.get(name, Effect.UNKNOWN)
    if (
        name == "add_column"
        and isinstance(column, dict)
        and column.get("nullable") is False
        and "default" not in column
    ):
        effect = Effect.RESTRICTIVE
    where = [str(each) for each in (body.get("table") or body.get("name"), named) if each]
    return Told(effect, ".".join(where), name)
