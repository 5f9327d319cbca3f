"""The schema and the migration histories of a database: a read-only session, bounded in time and in tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from helm_safe.core.redact import redact
from helm_safe.model.errors import UsageError
from helm_safe.model.migration_tools import is_bookkeeping
from helm_safe.model.photograph import DatabaseState
from helm_safe.model.schema import Column, Schema, Table
from helm_safe.model.traffic import NoData
from helm_safe.state.dialects import Dialect, dialect_of, scheme_of
from helm_safe.state.histories import ledgers

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Inspector

MAX_TABLES = 2000
"""Tables that are read; how many are left out is told."""
Dial = Callable[[str, int], tuple[str, int]]
"""Where a host and port are really reached."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}


def read(address: str, dial: Dial, now: Callable[[], datetime]) -> DatabaseState:
    """The database behind an address. now: the cluster's clock.

    Raises NoData where it cannot be read: the message never holds a credential. Raises UsageError for an address that
    is none, and where a driver is missing.
    """
    dialect = dialect_of(address, lambda module: find_spec(module) is not None)
    from sqlalchemy.exc import SQLAlchemyError

    url = _url(address, dialect)
    try:
        with _connected(url, dialect, dial) as connection:
            return _read(connection, dialect, now())
    except SQLAlchemyError as error:
        raise NoData(_words(error, url)) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NoData(_words(error, url)) from None


def _url(address: str, dialect: Dialect) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    bare = address.strip().removeprefix("jdbc:")
    try:
        url = make_url(re.sub(r"^[\w+]+", dialect.driver, bare, count=1))
    except (ArgumentError, ValueError):
        raise UsageError(
            "the address of the database cannot be understood",
            "Write it as KIND://USER:PASSWORD@HOST:PORT/DATABASE; special characters in a password as %XX.",
        ) from None
    query = {name: value for name, value in url.query.items() if name in _KEPT}
    named = {"username": url.query.get("user"), "password": url.query.get("password")}
    given: dict[str, Any] = {name: value for name, value in named.items() if isinstance(value, str)}
    return url.set(query=query, **given)


_KEPT = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "service_name",
    "charset",
    "host",
)
"""What an address may say besides where and who: TLS as given, nothing that would loosen our own limits."""


@contextmanager
def _connected(url: URL, dialect: Dialect, dial: Dial) -> Iterator[Connection]:
    engine = _engine(url, dialect, dial)
    try:
        with engine.connect() as connection:
            for statement in dialect.session:
                with suppress(Exception):  # what a server does not know, another one of these bounds
                    connection.exec_driver_sql(statement)
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _engine(url: URL, dialect: Dialect, dial: Dial) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if dialect.driver == "sqlite":
        if not url.database or url.database == ":memory:":
            raise UsageError("an address of SQLite names a file: sqlite:////path/of/file.db")
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return create_engine(url, connect_args=dict(dialect.arguments), poolclass=NullPool)
    arguments = dict(dialect.arguments)
    kind = scheme_of(url.drivername)
    host, port = url.host or "", url.port or _PORTS[kind]
    if host and not host.startswith("/"):
        where, through = dial(host, port)
        if where != host and kind == "postgresql":
            arguments["hostaddr"], where = where, host  # certificates are made for the name
        url = url.set(host=where, port=through)
    return create_engine(url, connect_args=arguments, poolclass=NullPool)


def _read(connection: Connection, dialect: Dialect, now: datetime) -> DatabaseState:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    names = list(_names(inspector, dialect))
    kept = dict(sorted(names, key=lambda row: row[0])[:MAX_TABLES])
    tables = _tables(inspector, kept)
    own = {name: table for name, table in tables.items() if not is_bookkeeping(name, table.columns)}
    schema = Schema(own, _enums(inspector), max(0, len(names) - MAX_TABLES))
    book = {name: (kept[name], tables[name]) for name in tables if name not in own}
    return DatabaseState(_server(connection), schema, ledgers(connection, book, now))


Place = tuple["str | None", str]
"""Schema, None for the default one, and name of a table."""


def _names(inspector: Inspector, dialect: Dialect) -> Iterator[tuple[str, Place]]:
    default = inspector.default_schema_name
    every = inspector.get_schema_names() if dialect.extra == "postgres" else [default]
    for schema in every:
        if schema in dialect.system or str(schema).startswith("pg_"):
            continue
        place = None if schema == default else schema
        for name in (*inspector.get_table_names(schema=place), *inspector.get_view_names(schema=place)):
            yield (f"{place}.{name}" if place else name), (place, name)


def _tables(inspector: Inspector, names: Mapping[str, Place]) -> dict[str, Table]:
    from sqlalchemy.engine.reflection import ObjectKind

    found: dict[str, Table] = {}
    for schema in sorted({place[0] for place in names.values()}, key=str):
        chosen = [place[1] for place in names.values() if place[0] == schema]
        how: dict[str, Any] = {"schema": schema, "filter_names": chosen, "kind": ObjectKind.ANY}
        columns = inspector.get_multi_columns(**how)
        keys = inspector.get_multi_pk_constraint(**how)
        unique = _soft(inspector.get_multi_unique_constraints, how)
        indexes = _soft(inspector.get_multi_indexes, how)
        foreign = inspector.get_multi_foreign_keys(**how)
        checks = _soft(inspector.get_multi_check_constraints, how)
        for place, rows in columns.items():
            name = f"{place[0]}.{place[1]}" if place[0] else place[1]
            found[name] = Table(
                {str(row["name"]): _column(row) for row in rows},
                tuple(keys.get(place, {}).get("constrained_columns") or ()),  # type: ignore[call-overload]
                frozenset(_unique(unique.get(place), indexes.get(place))),
                frozenset(tuple(sorted(each["constrained_columns"])) for each in foreign.get(place) or ()),
                {str(each.get("name") or number): _text(each) for number, each in enumerate(checks.get(place) or ())},
            )
    return found


def _soft(ask: Callable[..., Any], how: Mapping[str, Any]) -> Mapping[Any, Any]:
    """Rules that a kind of database does not tell are none that could be compared."""
    try:
        answer: Mapping[Any, Any] = ask(**how)
    except NotImplementedError:
        return {}
    return answer


def _unique(constraints: Any, indexes: Any) -> Iterator[tuple[str, ...]]:
    for each in constraints or ():
        yield tuple(sorted(each["column_names"]))
    for each in indexes or ():
        partial = each.get("dialect_options", {}).get("postgresql_where")
        if each.get("unique") and not partial and all(each["column_names"]):
            yield tuple(sorted(each["column_names"]))


def _text(check: Mapping[str, Any]) -> str:
    return " ".join(str(check.get("sqltext") or "").split())[:200]


def _column(row: Mapping[str, Any]) -> Column:
    nullable = bool(row.get("nullable", True))
    made = row.get("default") is not None or row.get("identity") or row.get("computed")
    return Column(_type(row["type"]), nullable, bool(nullable or made or row.get("autoincrement") is True))


def _type(found: Any) -> str:
    try:
        text = str(found.compile()) if not hasattr(found, "enums") else f"enum {found.name or ''}".strip()
    except Exception:  # noqa: BLE001 - types of extensions cannot be compiled without their dialect
        text = repr(found).partition("(")[0]
    return " ".join(text.lower().split())[:80]


def _enums(inspector: Inspector) -> dict[str, tuple[str, ...]]:
    ask = getattr(inspector, "get_enums", None)
    if ask is None:
        return {}
    return {
        (each["name"] if each.get("visible", True) else f"{each['schema']}.{each['name']}"): tuple(each["labels"])
        for each in ask(schema="*")
    }


def _server(connection: Connection) -> str:
    version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    maria = getattr(connection.dialect, "is_mariadb", False)
    return f"{'mariadb' if maria else connection.dialect.name} {version}".strip()


def _words(error: Exception, url: URL) -> str:
    """What the driver said, in one line, without what the address holds."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    if url.password and len(str(url.password)) > 2:
        text = text.replace(str(url.password), "***")
    return redact(text)[:300] or type(error).__name__
