"""How each kind of database is reached so that nothing can be written and nothing can hang. Seconds throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from helm_safe.model.errors import UsageError

CONNECT = 5
STATEMENT = 5


class Dialect(NamedTuple):
    """driver: what SQLAlchemy is asked for. module: what must be installed, by the extra. arguments: of the connection.
    session: statements that make it read-only and bounded, each may be refused by older servers. system: schemas that
    are the server's own.
    """

    driver: str
    module: str
    extra: str
    arguments: Mapping[str, Any]
    session: tuple[str, ...] = ()
    system: tuple[str, ...] = ()


_POSTGRES = (
    "-c default_transaction_read_only=on"
    f" -c statement_timeout={STATEMENT * 1000} -c lock_timeout=1000 -c idle_in_transaction_session_timeout=10000"
)
_MYSQL = Dialect(
    "mysql+pymysql",
    "pymysql",
    "mysql",
    {"connect_timeout": CONNECT, "read_timeout": 2 * STATEMENT, "write_timeout": STATEMENT},
    (
        "SET SESSION TRANSACTION READ ONLY",
        f"SET SESSION max_execution_time={STATEMENT * 1000}",  # MySQL
        f"SET SESSION max_statement_time={STATEMENT}",  # MariaDB
        "SET SESSION lock_wait_timeout=1",
    ),
    ("mysql", "sys", "performance_schema", "information_schema"),
)
DIALECTS: dict[str, Dialect] = {
    "postgresql": Dialect(
        "postgresql+psycopg",
        "psycopg",
        "postgres",
        {"connect_timeout": CONNECT, "options": _POSTGRES, "application_name": "helm-safe"},
        system=("information_schema", "pg_catalog", "pg_toast"),
    ),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "mssql": Dialect(
        "mssql+pymssql",
        "pymssql",
        "mssql",
        {"login_timeout": CONNECT, "timeout": STATEMENT, "read_only": True},
        ("SET LOCK_TIMEOUT 1000", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        ("sys", "INFORMATION_SCHEMA", "guest"),
    ),
    "oracle": Dialect(
        "oracle+oracledb", "oracledb", "oracle", {"tcp_connect_timeout": CONNECT}, ("SET TRANSACTION READ ONLY",)
    ),
    "sqlite": Dialect("sqlite", "sqlite3", "", {"timeout": 1}, ("PRAGMA query_only=ON",)),
}
_SPELLINGS = {
    "postgres": "postgresql",
    "mysql2": "mysql",
    "sqlserver": "mssql",
    "psql": "postgresql",
    "sqlite3": "sqlite",
}


def scheme_of(address: str) -> str:
    """The kind of database that an address names, whatever the spelling: "jdbc:postgres://…" -> "postgresql"."""
    bare = address.strip().removeprefix("jdbc:")
    scheme = bare.partition(":")[0].partition("+")[0].lower()
    return _SPELLINGS.get(scheme, scheme)


def dialect_of(address: str, installed: Callable[[str], bool]) -> Dialect:
    """How to open it. Raises UsageError for a database that is not known, or whose driver is not installed."""
    name = scheme_of(address)
    if name not in DIALECTS:
        raise UsageError(f"databases of the kind {name!r} cannot be read", f"Known: {', '.join(DIALECTS)}.")
    found = DIALECTS[name]
    for module, extra in (("sqlalchemy", "database"), (found.module, found.extra)):
        if not installed(module):
            raise UsageError(
                f"to read a database of the kind {name}, the Python module {module} is needed",
                f"Install it: pip install 'helm-safe[{found.extra or extra}]'",
            )
    return found
