"""Changes of a schema, each as SQL for every kind of database, and the queries of the code that was there before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

IDENTITY = {
    "postgresql": "id bigserial PRIMARY KEY",
    "mariadb": "id bigint AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "id integer PRIMARY KEY AUTOINCREMENT",
}
BASE = (
    "CREATE TABLE customers ({id}, name varchar(20) NOT NULL)",
    "CREATE TABLE orders ({id}, customer varchar(20) NOT NULL, legacy_total numeric(10, 2), quantity int DEFAULT 1)",
    "INSERT INTO customers (name) VALUES ('ada')",
)
QUERIES = (
    "INSERT INTO orders (customer, legacy_total, quantity) VALUES ('ada', NULL, -1)",
    "INSERT INTO orders (customer, legacy_total, quantity) VALUES ('ada', 12.5, NULL)",
    "SELECT id, customer, legacy_total, quantity FROM orders WHERE customer = 'ada'",
    "UPDATE orders SET legacy_total = 1, quantity = 2 WHERE legacy_total = 12.5",
    "SELECT name FROM customers",
    "INSERT INTO customers (name) VALUES ('grace')",
)
"""What revision 1 asks of the schema BASE, in one transaction."""


class Change(NamedTuple):
    """One migration. sql: for every database, or by its name; without a database the change does not exist there."""

    name: str
    kind: str
    sql: Mapping[str, tuple[str, ...]] | tuple[str, ...]

    def statements(self, database: str) -> tuple[str, ...]:
        return self.sql.get(database, ()) if isinstance(self.sql, Mapping) else self.sql


SERVERS = ("postgresql", "mariadb")


def on_servers(**statements: str) -> dict[str, tuple[str, ...]]:
    return {name: (sql,) for name, sql in statements.items()}


CHANGES: tuple[Change, ...] = (
    Change("a new table", "additive", ("CREATE TABLE notes ({id}, body varchar(200))",)),
    Change("a column that may be NULL", "additive", ("ALTER TABLE orders ADD COLUMN note varchar(20)",)),
    Change("a column with a default", "additive", ("ALTER TABLE orders ADD COLUMN tax int DEFAULT 0 NOT NULL",)),
    Change("an index", "additive", ("CREATE INDEX by_customer ON orders (customer)",)),
    Change("a view", "additive", ("CREATE VIEW totals AS SELECT customer, legacy_total FROM orders",)),
    Change(
        "wider text",
        "additive",
        on_servers(
            postgresql="ALTER TABLE orders ALTER COLUMN customer TYPE varchar(200)",
            mariadb="ALTER TABLE orders MODIFY customer varchar(200) NOT NULL",
        ),
    ),
    Change("a dropped column", "destructive", ("ALTER TABLE orders DROP COLUMN legacy_total",)),
    Change("a dropped table", "destructive", ("DROP TABLE customers",)),
    Change("a renamed column", "incompatible", ("ALTER TABLE orders RENAME COLUMN quantity TO amount",)),
    Change("a renamed table", "incompatible", ("ALTER TABLE customers RENAME TO clients",)),
    Change(
        "another type",
        "incompatible",
        on_servers(
            postgresql="ALTER TABLE orders ALTER COLUMN legacy_total TYPE date USING NULL",
            mariadb="ALTER TABLE orders MODIFY legacy_total date",
        ),
    ),
    Change(
        "a column that must be given",
        "restrictive",
        {
            **on_servers(postgresql="ALTER TABLE orders ADD COLUMN tax int NOT NULL"),
            "sqlite": (
                "ALTER TABLE orders RENAME TO old",
                (
                    "CREATE TABLE orders ({id}, customer varchar(20) NOT NULL, legacy_total numeric(10, 2),"
                    " quantity int DEFAULT 1, tax int NOT NULL)"
                ),
                "DROP TABLE old",
            ),
            "mariadb": ("ALTER TABLE orders ADD COLUMN tax int NOT NULL",),
        },
    ),
    Change(
        "a column that may not be NULL any more",
        "restrictive",
        on_servers(
            postgresql="ALTER TABLE orders ALTER COLUMN legacy_total SET NOT NULL",
            mariadb="ALTER TABLE orders MODIFY legacy_total numeric(10, 2) NOT NULL",
        ),
    ),
    Change("a unique key", "restrictive", ("CREATE UNIQUE INDEX one_each ON orders (customer)",)),
    Change(
        "a check",
        "restrictive",
        on_servers(
            postgresql="ALTER TABLE orders ADD CONSTRAINT positive CHECK (quantity > 0)",
            mariadb="ALTER TABLE orders ADD CONSTRAINT positive CHECK (quantity > 0)",
        ),
    ),
    Change(
        "a foreign key",
        "restrictive",
        on_servers(
            postgresql="ALTER TABLE customers ADD CONSTRAINT known UNIQUE (name);"
            " ALTER TABLE orders ADD CONSTRAINT of_a_customer FOREIGN KEY (customer) REFERENCES customers (name);"
            " DELETE FROM customers",
        ),
    ),
)


def filled(statement: str, database: str) -> str:
    return statement.replace("{id}", IDENTITY[database])


def execute(engine: Engine, database: str, statements: tuple[str, ...]) -> None:
    with engine.begin() as connection:
        for statement in statements:
            for each in statement.split(";"):
                connection.execute(text(filled(each, database)))


def truth(engine: Engine) -> str:
    """What the queries of revision 1 really meet: "" where all of them work."""
    with engine.connect() as connection:
        try:
            for query in QUERIES:
                connection.execute(text(query))
        except DBAPIError as error:
            return str(error.orig).splitlines()[0]
        finally:
            connection.rollback()
    return ""


def clean(engine: Engine) -> None:
    """Drop everything that a case made."""
    from sqlalchemy import MetaData

    with engine.begin() as connection:
        for view in ("totals",):
            connection.execute(text(f"DROP VIEW IF EXISTS {view}"))
    made: Any = MetaData()
    made.reflect(engine)
    made.drop_all(engine)
