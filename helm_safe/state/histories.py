"""The rows of migration histories, read with the columns that the table of tools names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from helm_safe.model.migrated import Applied, Ledger
from helm_safe.model.migration_tools import LOCKS, Tool, recognised
from helm_safe.model.schema import Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_ROWS = 1000
"""Newest rows of a history that are read."""
Book = Mapping[str, tuple[tuple["str | None", str], Table]]
"""Tables of tools: shown name -> (schema and name, its columns)."""


def ledgers(connection: Connection, book: Book, now: datetime) -> tuple[Ledger, ...]:
    """The histories, by tool. now: by the cluster's clock; the database's own may differ."""
    from sqlalchemy import literal_column, select

    clock = connection.execute(select(literal_column("CURRENT_TIMESTAMP"))).scalar()
    held = _locks(connection, book)
    found = []
    for name, (place, table) in sorted(book.items()):
        tool = recognised(name, table.columns)
        if tool is not None:
            found.append(_ledger(connection, name, place, table, tool, locked=tool.name in held, clock=(clock, now)))
    return tuple(found)


def _ledger(
    connection: Connection,
    name: str,
    place: tuple[str | None, str],
    table: Table,
    tool: Tool,
    *,
    locked: bool,
    clock: tuple[Any, datetime],
) -> Ledger:
    from sqlalchemy import column, select
    from sqlalchemy import table as table_named

    real = {each.lower(): each for each in table.columns}
    wanted = dict.fromkeys(filter(None, (tool.version, tool.order, tool.at, tool.words, tool.text, tool.good[0])))
    chosen: list[Any] = [column(real[each]) for each in wanted]
    query = select(*chosen).select_from(table_named(place[1], *chosen, schema=place[0]))
    query = query.order_by(column(real[tool.order]).desc()).limit(MAX_ROWS)
    rows, odd = [], 0
    for raw in connection.execute(query):
        row = dict(zip(wanted, raw, strict=True))
        applied = _applied(row, tool, clock)
        if applied is None:
            odd += 1
        else:
            rows.append(applied)
    return Ledger(tool.name, name, _standing(tool, tuple(reversed(rows))), locked, odd)


def _standing(tool: Tool, rows: tuple[Applied, ...]) -> tuple[Applied, ...]:
    """Without what was undone again: some tools keep a row for that."""
    if tool.name == "goose":
        return tuple(row for row in rows if row.version != "0")
    return rows


def _applied(row: Mapping[str, Any], tool: Tool, clock: tuple[Any, datetime]) -> Applied | None:
    version = row[tool.version]
    words = str(row.get(tool.words) or "") if tool.words else ""
    if version is None and tool.name == "Flyway":
        version = f"repeatable {words}"  # repeatable migrations have no version
    if version is None or str(version).strip() == "":
        return None
    text = row.get(tool.text) if tool.text else ""
    told = json.dumps(text) if isinstance(text, (dict, list)) else str(text or "")
    return Applied(
        str(version)[:255],
        _at(row.get(tool.at) if tool.at else None, clock),
        _good(row, tool),
        words[:255],
        told[:4096],
    )


def _good(row: Mapping[str, Any], tool: Tool) -> bool:
    field, wanted = tool.good
    if not field:
        return True
    value = row.get(field)
    return value is not None if wanted == "" else str(int(value or 0)) == wanted


def _at(value: Any, clock: tuple[Any, datetime]) -> datetime | None:
    """By the cluster's clock; moments without a zone are those of the database's own clock."""
    theirs, ours = _moment(clock[0]), clock[1]
    found = _moment(value)
    if found is None or theirs is None:
        return None
    if found.tzinfo is None:
        return ours + (found - theirs.replace(tzinfo=None))
    aware = theirs if theirs.tzinfo else theirs.replace(tzinfo=timezone.utc)
    return ours + (found - aware)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 10**11:
        return datetime.fromtimestamp(value / 1000, tz=timezone.utc)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    return None


def _locks(connection: Connection, book: Book) -> set[str]:
    """Tools whose lock is held."""
    from sqlalchemy import column, select
    from sqlalchemy import table as table_named

    held = set()
    for name, (place, table) in book.items():
        tool, field = LOCKS.get(name.rpartition(".")[2].lower(), ("", ""))
        real = next((each for each in table.columns if each.lower() == field), "")
        if tool and real:
            locked: Any = column(real)
            rows = connection.execute(select(locked).select_from(table_named(place[1], locked, schema=place[0])))
            held |= {tool for row in rows if row[0] not in (None, 0, False, b"\x00")}
    return held
