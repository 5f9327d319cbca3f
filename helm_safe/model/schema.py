"""A database schema as it was photographed, and what a change of it means for code that was written before. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple


class Effect(str, Enum):
    """What a change does to old code that runs again, worst first (reference: expand and contract)."""

    DESTRUCTIVE = "destructive"
    INCOMPATIBLE = "incompatible"
    RESTRICTIVE = "restrictive"
    SEMANTIC = "semantic"
    ADDITIVE = "additive"
    UNKNOWN = "unknown"


class Column(NamedTuple):
    """type: as the database spells it, in lower case. filled: whether an INSERT may leave it out: it has a default, is
    an identity or computed, or may be NULL.
    """

    type: str
    nullable: bool
    filled: bool


@dataclass(frozen=True, slots=True)
class Table:
    """unique, foreign: the columns of each rule, sorted. checks: name of each rule -> its text."""

    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    unique: frozenset[tuple[str, ...]] = frozenset()
    foreign: frozenset[tuple[str, ...]] = frozenset()
    checks: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        columns = {name: [each.type, int(each.nullable), int(each.filled)] for name, each in self.columns.items()}
        body = {
            "key": list(self.key),
            "unique": sorted(map(list, self.unique)),
            "foreign": sorted(map(list, self.foreign)),
            "checks": dict(self.checks),
        }
        return {"columns": columns, **{name: value for name, value in body.items() if value}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Table:
        columns = {str(name): Column(str(row[0]), bool(row[1]), bool(row[2])) for name, row in body["columns"].items()}
        return cls(
            columns,
            tuple(body.get("key", ())),
            frozenset(map(tuple, body.get("unique", ()))),
            frozenset(map(tuple, body.get("foreign", ()))),
            dict(body.get("checks", {})),
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """tables: by name, views included, those outside the default schema as "schema.table". left_out: how many tables
    were beyond the bound, and are not in it.
    """

    tables: Mapping[str, Table]
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "tables": {name: table.to_json() for name, table in self.tables.items()},
            "enums": {name: list(values) for name, values in self.enums.items()},
            "leftOut": self.left_out,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Schema:
        """The inverse of to_json. Raises KeyError, IndexError, TypeError or AttributeError on another shape."""
        return cls(
            {str(name): Table.from_json(table) for name, table in body["tables"].items()},
            {str(name): tuple(values) for name, values in body.get("enums", {}).items()},
            int(body.get("leftOut", 0)),
        )


class SchemaChange(NamedTuple):
    """One difference. object: "orders.legacy_total" or "orders". words: what it is, to follow the object's name."""

    effect: Effect
    object: str
    words: str


def changes(then: Schema, now: Schema) -> list[SchemaChange]:
    """What became of the schema, as code written for `then` meets it; worst first."""
    found = [*_tables(then, now), *_enums(then, now)]
    for name, table in then.tables.items():
        if name in now.tables:
            found += _columns(name, table, now.tables[name])
            found += _rules(name, table, now.tables[name])
    order = list(Effect)
    return sorted(found, key=lambda each: (order.index(each.effect), each.object))


def _tables(then: Schema, now: Schema) -> Iterator[SchemaChange]:
    new = {name: table for name, table in now.tables.items() if name not in then.tables}
    for name, table in then.tables.items():
        if name in now.tables:
            continue
        if now.left_out:
            yield SchemaChange(Effect.UNKNOWN, name, "was not among the tables that were read")
            continue
        twin = next((other for other, made in new.items() if made.columns == table.columns), None)
        if twin:
            yield SchemaChange(Effect.INCOMPATIBLE, name, f"is gone; {twin} has the very same columns: renamed")
        else:
            yield SchemaChange(Effect.DESTRUCTIVE, name, "was dropped")
    for name in new:
        yield SchemaChange(Effect.ADDITIVE, name, "is new" if not then.left_out else "is new, or was not read then")


def _columns(table: str, then: Table, now: Table) -> Iterator[SchemaChange]:
    new = {name: each for name, each in now.columns.items() if name not in then.columns}
    for name, before in then.columns.items():
        after = now.columns.get(name)
        if after is not None:
            yield from _column(f"{table}.{name}", before, after)
            continue
        twins = [other for other, made in new.items() if made.type == before.type]
        hint = f"; perhaps it was renamed to {' or '.join(twins[:3])}" if twins else ""
        yield SchemaChange(Effect.DESTRUCTIVE, f"{table}.{name}", f"was dropped{hint}")
    for name, made in new.items():
        if made.filled:
            yield SchemaChange(Effect.ADDITIVE, f"{table}.{name}", "is new, and an INSERT may leave it out")
        else:
            words = "is new and NOT NULL without a default: INSERTs of old code fail"
            yield SchemaChange(Effect.RESTRICTIVE, f"{table}.{name}", words)


def _column(name: str, before: Column, after: Column) -> Iterator[SchemaChange]:
    if before.type != after.type:
        effect = _retyped(before.type, after.type)
        yield SchemaChange(effect, name, f"changed its type from {before.type} to {after.type}")
    if before.nullable and not after.nullable:
        yield SchemaChange(
            Effect.RESTRICTIVE, name, "is NOT NULL now: old code that writes NULL, or leaves it out, fails"
        )
    elif after.nullable and not before.nullable:
        yield SchemaChange(Effect.SEMANTIC, name, "may be NULL now, which old code never met")
    elif before.filled and not after.filled:
        yield SchemaChange(Effect.RESTRICTIVE, name, "lost its default: INSERTs that leave it out fail")


_SIZED = re.compile(r"(?P<base>[a-z ]+?)\s*\((?P<size>\d+)\)(?P<rest>.*)")
_TEXTS = ("varchar", "character varying", "nvarchar", "char", "varchar2")
_UNBOUNDED = ("text", "varchar", "character varying", "longtext", "mediumtext", "clob", "nvarchar(max)")
_WHOLE = ("tinyint", "smallint", "mediumint", "int", "integer", "bigint")


def _retyped(before: str, after: str) -> Effect:
    """Wider text is harmless; wider numbers may overflow in old code; all else breaks it."""
    old, new = _SIZED.fullmatch(before), _SIZED.fullmatch(after)
    if old and old["base"] in _TEXTS and (after in _UNBOUNDED or _wider(old, new)):
        return Effect.ADDITIVE
    if before in _WHOLE and after in _WHOLE and _WHOLE.index(before) < _WHOLE.index(after):
        return Effect.SEMANTIC
    return Effect.INCOMPATIBLE


def _wider(old: re.Match[str], new: re.Match[str] | None) -> bool:
    return new is not None and new["base"] == old["base"] and int(new["size"]) >= int(old["size"])


def _rules(table: str, then: Table, now: Table) -> Iterator[SchemaChange]:
    if then.key != now.key and now.key:
        words = f"has another primary key: ({', '.join(now.key)}) instead of ({', '.join(then.key)})"
        yield SchemaChange(Effect.RESTRICTIVE, table, words)
    for columns in sorted(now.unique - then.unique - {tuple(sorted(now.key))}):
        yield _rule(table, then, now, columns, f"must be unique now in ({', '.join(columns)})")
    for columns in sorted(now.foreign - then.foreign):
        yield _rule(table, then, now, columns, f"has a new foreign key on ({', '.join(columns)})")
    for name, text in now.checks.items():
        if then.checks.get(name) != text and text not in then.checks.values():
            used = tuple(column for column in now.columns if re.search(rf"\b{re.escape(column)}\b", text))
            yield _rule(table, then, now, used, f"has a new check {name}: {text}")


def _rule(table: str, then: Table, now: Table, columns: tuple[str, ...], words: str) -> SchemaChange:
    """A rule over a new column that may be NULL never meets rows that old code writes."""
    spared = any(name not in then.columns and name in now.columns and now.columns[name].nullable for name in columns)
    if spared:
        return SchemaChange(Effect.ADDITIVE, table, words)
    return SchemaChange(Effect.RESTRICTIVE, table, f"{words}: writes of old code may be refused")


def _enums(then: Schema, now: Schema) -> Iterator[SchemaChange]:
    for name, values in then.enums.items():
        after = now.enums.get(name)
        if after is None:
            yield SchemaChange(Effect.DESTRUCTIVE, name, "was dropped (an enum type)")
            continue
        for value in values:
            if value not in after:
                yield SchemaChange(Effect.INCOMPATIBLE, name, f"lost its value {value!r}")
        for value in after:
            if value not in values:
                yield SchemaChange(Effect.SEMANTIC, name, f"has a new value {value!r}, which old code cannot read")


def worst(found: list[SchemaChange]) -> Effect:
    """The worst effect of all; additive where nothing changed."""
    order = list(Effect)
    if any(each.effect is Effect.UNKNOWN for each in found) and all(
        each.effect in (Effect.UNKNOWN, Effect.ADDITIVE) for each in found
    ):
        return Effect.UNKNOWN
    return min((each.effect for each in found), key=order.index, default=Effect.ADDITIVE)
