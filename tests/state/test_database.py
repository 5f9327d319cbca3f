"""Databases are read as they are, read-only and bounded, and what they refuse is said without a secret."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import create_engine, make_url, text

from helm_safe.model.errors import HelmSafeError, UsageError
from helm_safe.model.migrated import advances
from helm_safe.model.photograph import DatabaseState, Photograph
from helm_safe.model.traffic import NoData
from helm_safe.state import database
from helm_safe.state.database import read
from tests.state.changes import BASE, execute
from tests.state.matrix import DRIVERS
from tests.state.servers import database as server
from tests.state.servers import deaf_server


def same(host: str, port: int) -> tuple[str, int]:
    return host, port


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(scope="module", params=["postgresql", "mariadb", "sqlite"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with server(request.param) as found:
        kind = request.param
        engine = create_engine(make_url(found).set(drivername=DRIVERS[kind]))
        execute(engine, kind, BASE)
        engine.dispose()
        yield found


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with server("postgresql") as found:
        yield found


def sql(address: str, *statements: str) -> None:
    engine = create_engine(make_url(address).set(drivername=DRIVERS[address.partition(":")[0]]))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_tables_and_columns_are_those_of_the_database(address: str) -> None:
    schema = read(address, same, now).schema
    assert set(schema.tables) == {"customers", "orders"}
    columns = schema.tables["orders"].columns
    assert list(columns) == ["id", "customer", "legacy_total", "quantity"]
    assert not columns["customer"].filled
    assert columns["legacy_total"].filled
    assert columns["id"].filled
    assert schema.tables["orders"].key == ("id",)


def test_nothing_can_be_written(address: str) -> None:
    """The session itself refuses, whatever somebody will ask of it one day."""
    dialect = database.dialect_of(address, lambda _: True)
    url = database._url(address, dialect)
    with pytest.raises(Exception, match=r"(?i)read.?only"), database._connected(url, dialect, same) as connection:
        connection.exec_driver_sql("CREATE TABLE ours (id int)")


def test_a_photograph_comes_back_as_it_was(address: str) -> None:
    taken = Photograph(now(), 1, "x", read(address, same, now))
    assert Photograph.decode(taken.encode()) == taken
    assert isinstance(taken.database, DatabaseState)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda url: url.set(password="not-the-secret"), r"(?i)denied|authentication failed"),
        (lambda url: url.set(database="nowhere"), r"(?i)nowhere|denied"),
        (lambda url: url.set(port=1), r"(?i)refused"),
    ],
)
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_refusal_is_told_without_the_secret(kind: str, spoil: object, says: str) -> None:
    with server(kind) as found:
        url = make_url(found)
        spoiled = spoil(url).render_as_string(hide_password=False)  # type: ignore[operator]
        with pytest.raises(NoData, match=says) as caught:
            read(spoiled, same, now)
    assert "not-the-secret" not in str(caught.value)
    assert str(url.password) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_costs_its_time_and_no_more() -> None:
    with deaf_server() as port:
        began = time.monotonic()
        with pytest.raises(NoData):
            read(f"postgresql://a:b@127.0.0.1:{port}/x", same, now)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("address", ["mongodb://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(address, same, now)
    assert caught.value.next_step or caught.value.message


@pytest.mark.parametrize("prefix", ["jdbc:postgresql", "postgres", "postgresql+psycopg"])
def test_other_spellings(postgres: str, prefix: str) -> None:
    assert read(postgres.replace("postgresql", prefix, 1), same, now).server.startswith("postgresql")


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(UsageError, match="oracledb") as caught:
        database.dialect_of("oracle://x", lambda module: module != "oracledb")
    assert "helm-safe[oracle]" in caught.value.next_step


def test_ten_thousand_tables_are_bounded(postgres: str) -> None:
    sql(postgres, *(f"CREATE TABLE wide{number} (id int, a text)" for number in range(2300)))
    began = time.monotonic()
    found = read(postgres, same, now).schema
    assert time.monotonic() - began < 30
    assert found.left_out >= 300
    assert len(found.tables) == database.MAX_TABLES
    sql(postgres, *(f"DROP TABLE wide{number}" for number in range(2300)))


def test_rows_since_a_moment_by_the_clusters_clock(postgres: str) -> None:
    """The database's clock may be another than the cluster's: rows are told by how long ago they were written."""
    sql(
        postgres,
        "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied bool, tstamp timestamp default now())",
        "INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (1, true, now() - interval '3 days')",
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, true)",
    )

    def late() -> datetime:
        return now() + timedelta(hours=1)

    ledgers = read(postgres, same, late).ledgers
    found = advances(None, ledgers, late() - timedelta(hours=2))
    assert [row.version for row in found[0].rows] == ["2"]
    assert found[0].undo.startswith("goose down-to 1")
    sql(postgres, "DROP TABLE goose_db_version")


@pytest.mark.parametrize(
    ("statements", "tool", "head"),
    [
        (["CREATE TABLE schema_migrations (version bigint, dirty bool)", "INSERT INTO schema_migrations VALUES (7, true)"],
         "golang-migrate", "7"),
        (["CREATE TABLE schema_migrations (version varchar(255))", "INSERT INTO schema_migrations VALUES ('20260101')"],
         "Rails or dbmate", "20260101"),
        (["CREATE TABLE schema_migrations (version bigint, inserted_at timestamp)"], "Ecto", ""),
    ],
)  # fmt: skip
def test_tools_that_share_a_name_are_told_by_their_columns(
    postgres: str, statements: list[str], tool: str, head: str
) -> None:
    sql(postgres, *statements)
    try:
        ledger = read(postgres, same, now).ledgers[0]
        assert (ledger.tool, ledger.head) == (tool, head)
        assert bool(ledger.failed) == (tool == "golang-migrate")
    finally:
        sql(postgres, "DROP TABLE schema_migrations")


def test_garbage_in_a_history_is_counted_not_trusted(postgres: str) -> None:
    sql(
        postgres,
        "CREATE TABLE knex_migrations (id serial, name text, batch int, migration_time timestamptz)",
        "INSERT INTO knex_migrations (name, batch) VALUES (NULL, 1), ('', 1), ('1_a.js', 1)",
        "CREATE TABLE knex_migrations_lock (index serial, is_locked int)",
        "INSERT INTO knex_migrations_lock (is_locked) VALUES (1)",
    )
    ledger = read(postgres, same, now).ledgers[0]
    assert (ledger.odd, ledger.head, ledger.locked) == (2, "1_a.js", True)
    sql(postgres, "DROP TABLE knex_migrations", "DROP TABLE knex_migrations_lock")


def test_what_is_raised_is_ours() -> None:
    for address in ("postgresql://%zz@:x/", "postgresql://[::1", "mysql://a:b@c:99999/x"):
        with pytest.raises(HelmSafeError):
            read(address, same, now)
