"""Worlds in which state did not travel back: databases, their histories, and what newer revisions declare."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.migrated import Applied, Ledger
from helm_safe.model.photograph import (
    DatabaseState,
    Family,
    Group,
    KafkaState,
    Photograph,
    RedisState,
    State,
    Subject,
    Topic,
)
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.schema import Column, Schema, Table
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import NOW, World, container, deployment, fires, hook, obj, quiet, revision, world

ID = Column("bigint", nullable=False, filled=True)
TEXT = Column("text", nullable=True, filled=True)
ORDERS = Table({"id": ID, "name": Column("varchar(20)", nullable=False, filled=False), "legacy_total": TEXT}, ("id",))
DATABASE = (
    *("DB-CONTRACT-001", "DB-INCOMPAT-001", "DB-RESTRICT-001", "DB-SEMANTIC-001", "DB-ADD-001"),
    *("DB-FLOOR-001", "DB-DIRTY-001", "DB-CR-001", "DB-NOHOOK-001", "STATE-001"),
)


def photograph(*ledgers: Ledger, enums: dict[str, tuple[str, ...]] | None = None, **tables: Table) -> Photograph:
    schema = Schema(tables or {"orders": ORDERS}, enums or {})
    return Photograph(NOW, 1, "", DatabaseState("postgresql 16", schema, ledgers))


def then_and_now(
    then: Photograph | None, now: Photograph | None, base: Snapshot | None = None, **more: Any
) -> Snapshot:
    state = State(frozenset({"database"}), now, then, **more)
    return replace(base or world([deployment()]).snapshot(), state=state)


def orders(**columns: Column) -> Photograph:
    return photograph(orders=replace(ORDERS, columns={**ORDERS.columns, **columns}))


def without(name: str, **more: Column) -> Photograph:
    kept = {each: column for each, column in ORDERS.columns.items() if each != name}
    return photograph(orders=replace(ORDERS, columns={**kept, **more}))


def ledger(tool: str, table: str, *rows: Applied, **more: Any) -> Ledger:
    return Ledger(tool, table, rows, **more)


@quiet("DB-CONTRACT-001", "DB-INCOMPAT-001", "DB-RESTRICT-001", "DB-SEMANTIC-001", "STATE-001", "DB-UNK-001")
@fires("DB-ADD-001", severity="info", says="only additions since revision 1", evidence="orders.note is new")
def a_nullable_column_more() -> Snapshot:
    return then_and_now(photograph(), orders(note=TEXT))


@quiet(*DATABASE)
def no_database_at_all() -> Snapshot:
    return world([deployment()]).snapshot()


@fires(
    "DB-CONTRACT-001", object="orders.legacy_total", says="orders.legacy_total, present with revision 1, was dropped"
)
@quiet("DB-ADD-001")
def a_dropped_column() -> Snapshot:
    return then_and_now(photograph(), without("legacy_total"))


@fires("DB-CONTRACT-001", object="customers", says="was dropped")
def a_dropped_table() -> Snapshot:
    return then_and_now(photograph(orders=ORDERS, customers=Table({"id": ID})), photograph())


@fires("DB-INCOMPAT-001", object="orders.name", says="changed its type from varchar(20) to int")
def another_type() -> Snapshot:
    return then_and_now(photograph(), orders(name=Column("int", nullable=False, filled=False)))


@fires("DB-INCOMPAT-001", object="orders", says="orders2 has the very same columns")
@quiet("DB-CONTRACT-001")
def a_renamed_table() -> Snapshot:
    return then_and_now(photograph(), photograph(orders2=ORDERS))


@fires("DB-RESTRICT-001", object="orders.tax", says="NOT NULL without a default")
def a_column_that_must_be_given() -> Snapshot:
    return then_and_now(photograph(), orders(tax=Column("int", nullable=False, filled=False)))


@fires("DB-RESTRICT-001", object="orders", says="unique now in (name)")
def a_new_unique_key() -> Snapshot:
    return then_and_now(photograph(), photograph(orders=replace(ORDERS, unique=frozenset({("name",)}))))


@fires("DB-RESTRICT-001", object="orders.legacy_total", says="is NOT NULL now")
def a_column_that_may_not_be_null_any_more() -> Snapshot:
    return then_and_now(photograph(), orders(legacy_total=Column("text", nullable=False, filled=True)))


@fires("DB-SEMANTIC-001", severity="warning", object="mood", says="a new value 'sad'")
def a_new_value_of_an_enum() -> Snapshot:
    return then_and_now(photograph(enums={"mood": ("glad",)}), photograph(enums={"mood": ("glad", "sad")}))


@quiet("DB-RESTRICT-001", "DB-INCOMPAT-001", "DB-CONTRACT-001", "DB-SEMANTIC-001")
def a_wider_text() -> Snapshot:
    return then_and_now(photograph(), orders(name=Column("varchar(40)", nullable=False, filled=False)))


@fires("DB-CONTRACT-001", says="since revision 1: dropColumn", evidence="L3: Liquibase's row 7 in databasechangelog")
def a_row_of_liquibase_that_tells_it_all() -> Snapshot:
    row = Applied("7", NOW, text="dropColumn columnName=legacy_total, tableName=orders")
    return then_and_now(None, photograph(ledger("Liquibase", "databasechangelog", row)))


@fires("DB-CONTRACT-001", object="orders.legacy_total", evidence="V2__drop.sql of ConfigMap/sql of revision 2")
@quiet("DB-UNK-001")
def sql_in_a_config_map() -> Snapshot:
    sql = obj("ConfigMap", "sql", data={"V2__drop.sql": "ALTER TABLE orders DROP COLUMN legacy_total;"})
    return world([deployment()], [deployment(), sql]).snapshot()


def declaring(name: str, value: str, target: dict[str, str] | None = None) -> Snapshot:
    newer = deployment()
    newer["metadata"]["annotations"] = {f"helm-safe.dev/{name}": value}
    older = deployment()
    older["metadata"]["annotations"] = {f"helm-safe.dev/{key}": each for key, each in (target or {}).items()}
    return world([older], [newer]).snapshot()


@fires("DB-CONTRACT-001", object="revision 2", says="declares a change that cannot be taken back", evidence="L1")
def a_declared_contraction() -> Snapshot:
    return declaring("schema-kind", "contract")


@fires("DB-CONTRACT-001", says="forward-only: true")
def a_declared_point_of_no_return() -> Snapshot:
    return declaring("forward-only", "true")


@quiet("DB-CONTRACT-001", "DB-FLOOR-001")
def a_declared_expansion() -> Snapshot:
    return declaring("schema-kind", "expand")


@fires("DB-FLOOR-001", says="needs a schema of 0037 or newer, and revision 1 is made for 0036")
def below_the_oldest_schema() -> Snapshot:
    return declaring("oldest-compatible-schema", "0037", {"schema-version": "0036"})


@quiet("DB-FLOOR-001")
def just_at_the_oldest_schema() -> Snapshot:
    return declaring("oldest-compatible-schema", "0037", {"schema-version": "0037"})


@fires("DB-FLOOR-001", status="unverified", says="nobody says what revision 1 is for")
def a_floor_and_a_silent_target() -> Snapshot:
    return declaring("oldest-compatible-schema", "0037")


@fires("DB-FLOOR-001", says="declares r2 as the oldest to go back to")
def a_floor_that_is_a_revision() -> Snapshot:
    return declaring("rollback-floor", "r2")


@fires("DB-DIRTY-001", object="schema_migrations", says="migration 7 did not end well")
def a_dirty_history() -> Snapshot:
    rows = ledger("golang-migrate", "schema_migrations", Applied("7", None, good=False))
    return then_and_now(None, photograph(rows))


@fires("DB-DIRTY-001", says="Knex holds its lock")
def a_lock_that_is_held() -> Snapshot:
    return then_and_now(None, photograph(ledger("Knex", "knex_migrations", Applied("1.js", NOW), locked=True)))


@fires("DB-DIRTY-001", status="unverified", severity="warning", says="2 rows of goose_db_version")
def garbage_in_a_history() -> Snapshot:
    return then_and_now(None, photograph(ledger("goose", "goose_db_version", odd=2)))


@fires("DB-UNK-001", says="goose applied 1 migrations since revision 1 (3)")
def rows_that_nobody_understands() -> Snapshot:
    old, new = Applied("2", NOW - timedelta(days=9)), Applied("3", NOW)
    return then_and_now(None, photograph(ledger("goose", "goose_db_version", old, new)))


@fires("DB-UNK-001", says="keeps no times")
def a_history_without_times() -> Snapshot:
    return then_and_now(None, photograph(ledger("Alembic", "alembic_version", Applied("0042"))))


def schema_object(kind: str, group: str, target: Object, current: Object) -> Snapshot:
    return world([obj(kind, "shop", group, spec=target)], [obj(kind, "shop", group, spec=current)]).snapshot()


@fires("DB-CR-001", object="AtlasSchema/shop", says="Atlas plans away")
def an_atlas_schema() -> Snapshot:
    return schema_object("AtlasSchema", "db.atlasgo.io", {"schema": {"sql": "a"}}, {"schema": {"sql": "a; b"}})


@quiet("DB-CR-001")
def an_atlas_schema_with_a_guard() -> Snapshot:
    guard = {"policy": {"lint": {"destructive": {"error": True}}}}
    return schema_object("AtlasSchema", "db.atlasgo.io", {**guard, "schema": {"sql": "a"}}, {"schema": {"sql": "b"}})


@fires("DB-CR-001", says="SchemaHero")
def a_table_of_schemahero() -> Snapshot:
    return schema_object("Table", "schemas.schemahero.io", {"schema": 1}, {"schema": 2})


@fires("DB-NOHOOK-001", severity="warning", object="Job/undo", says="lacks the newer migrations")
def a_hook_that_undoes_what_it_does_not_know() -> Snapshot:
    job = deployment(
        "undo", container(command=["alembic", "downgrade", "-1"]), kind="Job", group="batch", replicas=None
    )
    target = replace(revision(1, deployment()), hooks=(hook("undo", "pre-rollback", objects=[job]),))
    current = revision(2, deployment(replicas=3), status=RevisionStatus.DEPLOYED)
    return World(current, target, (deployment(replicas=3),)).snapshot()


@fires("STATE-001", status="unverified", object="database", says="The database could not be read: no route")
def a_database_that_does_not_answer() -> Snapshot:
    return then_and_now(photograph(), replace(photograph(), database=None), unread={"database": "no route"})


@fires("STATE-001", status="unverified", object="snapshot", says="There is no snapshot of revision 1")
def no_snapshot_of_the_target() -> Snapshot:
    return then_and_now(None, photograph())


@fires("STATE-001", status="unverified", says="the snapshot of revision 1 is damaged")
def a_spoiled_snapshot() -> Snapshot:
    return then_and_now(None, photograph(), spoiled="the snapshot of revision 1 is damaged")


def booting(command: str, *rows: Applied, tool: str = "Alembic", table: str = "alembic_version") -> Snapshot:
    init = {"initContainers": [container("migrate", command=["sh", "-c", command])]}
    newer = {"initContainers": [container("migrate", "registry.example/shop:2", command=["sh", "-c", command])]}
    base = world([deployment(pod=init)], [deployment(pod=newer)]).snapshot()
    if not rows:
        return base
    before = photograph(ledger(tool, table, Applied("0001")))
    return then_and_now(before, photograph(ledger(tool, table, *rows)), base)


@fires("DB-BOOT-001", severity="error", says="Can't locate revision identified by '0002'", evidence="stands at 0002")
def old_pods_that_refuse_to_start() -> Snapshot:
    return booting("alembic upgrade head", Applied("0002"))


@fires("DB-BOOT-001", severity="warning", evidence="L2: the current pods run the same command")
def old_pods_that_may_refuse_to_start() -> Snapshot:
    return booting("alembic upgrade head")


@quiet("DB-BOOT-001")
def old_pods_that_find_nothing_new() -> Snapshot:
    return booting("alembic upgrade head", Applied("0001"))


@quiet("DB-BOOT-001")
def old_pods_with_a_tolerant_tool() -> Snapshot:
    return booting("goose up", Applied("0002"), tool="goose", table="goose_db_version")


def redis(*kinds: str, form: str = "JSON", expiring: int = 100, whole: bool = True) -> Photograph:
    family = Family(kinds, (form,), expiring, 10)
    return Photograph(NOW, 1, "", redis=RedisState("redis 7", 10, 10, whole, {"session:*": family}))


@fires("CACHE-002", severity="error", object="session:*", says="old commands end with WRONGTYPE")
def keys_of_another_type() -> Snapshot:
    return then_and_now(redis("string"), redis("hash/listpack"))


@fires("CACHE-002", says="hold pickle now, which held JSON")
def keys_of_another_format() -> Snapshot:
    return then_and_now(redis("string"), redis("string", form="pickle"))


@fires("CACHE-002", severity="warning", says="do not expire any more")
def keys_that_stay() -> Snapshot:
    return then_and_now(redis("string"), redis("string", expiring=0))


@quiet("CACHE-002")
def keys_as_they_were() -> Snapshot:
    return then_and_now(redis("hash/listpack"), redis("hash/hashtable"))


def kafka(version: int = 6, end: int = 10, mode: str = "BACKWARD", partitions: int = 3, lag: int = 0) -> Photograph:
    topics, groups = {"orders": Topic(partitions, end)}, {"billing": Group("Stable", "range", lag, ("orders",))}
    return Photograph(NOW, 1, "", kafka=KafkaState(topics, groups, {"orders-value": Subject(version, "AVRO", mode)}))


@fires("KAFKA-001", severity="error", object="orders-value", says="was 6 and is 7 now (AVRO); 90 messages came since")
def messages_of_a_newer_schema() -> Snapshot:
    return then_and_now(kafka(), kafka(7, 100))


@fires("KAFKA-001", severity="warning", says="BACKWARD does not protect old readers")
def a_newer_schema_that_nobody_wrote_with() -> Snapshot:
    return then_and_now(kafka(), kafka(7))


@quiet("KAFKA-001", "KAFKA-002", "KAFKA-005")
def a_newer_schema_that_old_readers_can_read() -> Snapshot:
    return then_and_now(kafka(mode="FULL"), kafka(7, 100, mode="FULL"))


@fires("KAFKA-002", severity="warning", object="orders", says="has 6 partitions, it had 3")
def more_partitions() -> Snapshot:
    return then_and_now(kafka(), kafka(partitions=6))


@fires("KAFKA-005", severity="warning", object="billing", says="has 40 messages to read")
def messages_that_wait() -> Snapshot:
    return then_and_now(kafka(), kafka(lag=40))
