"""What migration tools write into a database, how their old versions boot on a newer one, and how they undo. A table.

Tables and columns are those of the tools' own sources and documentation (reference, section 1.4); how old binaries boot
is that of section 1.5. `tried` says which were run for real against a database by the tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum
from typing import NamedTuple


class Boot(str, Enum):
    """What the tool does when it starts with the files of the old revision on a database that is ahead of them."""

    REFUSES = "refuses"
    TOLERATES = "tolerates"
    DEPENDS = "depends"


class Tool(NamedTuple):
    """One migration tool.

    table: of its history, in lower case. columns: which the table must have; without: which it must not have: several
    tools share a name. version: column of the version; at: of when it was applied, "" where the tool keeps no time.
    words: column of a description; text: column that tells what was changed. good: column and what a migration that
    went well has there ("" for: not NULL). order: column by which newer rows come last. boots, says: what the old
    binary does on a newer database, and its own words. undo: the command, with {target} and {count}; "" where the tool
    has none. tried: a test ran the tool itself.
    """

    name: str
    table: str
    columns: frozenset[str]
    version: str
    order: str
    at: str = ""
    words: str = ""
    text: str = ""
    good: tuple[str, str] = ("", "")
    without: frozenset[str] = frozenset()
    boots: Boot = Boot.TOLERATES
    says: str = ""
    undo: str = ""
    tried: bool = False


def _columns(words: str) -> frozenset[str]:
    return frozenset(words.split())


TOOLS: tuple[Tool, ...] = (
    Tool(
        "Flyway", "flyway_schema_history",
        _columns("installed_rank version description type script installed_on success"), "version", "installed_rank",
        "installed_on", "description", good=("success", "1"), boots=Boot.DEPENDS,
        says="a warning by default; `Detected applied migration not resolved locally` where ignoreMigrationPatterns is"
        " empty; repeatable migrations are applied again as they were",
        undo="flyway undo -target={target}   # paid editions, needs the U scripts of the newer revision",
        tried=True,
    ),
    Tool(
        "Flyway", "schema_version", _columns("installed_rank version description script installed_on success"),
        "version", "installed_rank", "installed_on", "description", good=("success", "1"), boots=Boot.DEPENDS,
        undo="flyway undo -target={target}   # paid editions, needs the U scripts of the newer revision",
    ),
    Tool(
        "Liquibase", "databasechangelog",
        _columns("id author filename dateexecuted orderexecuted exectype description"), "id",
        "orderexecuted", "dateexecuted", "description", "description",
        says="extra rows are ignored; an edited changeset ends with `Validation Failed`",
        undo="liquibase rollback-count {count}   # with the changelog of the newer revision", tried=True,
    ),
    Tool(
        "Alembic", "alembic_version", _columns("version_num"), "version_num", "version_num", boots=Boot.REFUSES,
        says="Can't locate revision identified by '{version}'",
        undo="alembic downgrade {target}   # with the scripts, so the image, of the newer revision", tried=True,
    ),
    Tool(
        "Django", "django_migrations", _columns("id app name applied"), "name", "id", "applied", "app",
        says="unknown applied rows are skipped",
        undo="python manage.py migrate {app} {target}   # with the code of the newer revision; irreversible operations"
        " refuse", tried=True,
    ),
    Tool(
        "Prisma", "_prisma_migrations", _columns("id checksum finished_at migration_name started_at rolled_back_at"),
        "migration_name", "started_at", "finished_at", good=("finished_at", ""),
        says="applied but missing migrations are ignored; P3009 where one failed",
        undo="",
    ),
    Tool(
        "golang-migrate", "schema_migrations", _columns("version dirty"), "version", "version", good=("dirty", "0"),
        boots=Boot.REFUSES, says="no migration found for version {version}",
        undo="migrate -path migrations -database $DATABASE_URL goto {target}   # with the files of the newer revision",
        tried=True,
    ),
    Tool(
        "goose", "goose_db_version", _columns("id version_id is_applied tstamp"), "version_id", "id", "tstamp",
        good=("is_applied", "1"), says="goose: no migrations to run",
        undo="goose down-to {target}   # with the files of the newer revision", tried=True,
    ),
    Tool(
        "Ecto", "schema_migrations", _columns("version inserted_at"), "version", "version", "inserted_at",
        says="unknown versions are ignored", undo="mix ecto.rollback --to {target}   # with the newer code",
    ),
    Tool(
        "Rails or dbmate", "schema_migrations", _columns("version"), "version", "version",
        without=_columns("dirty inserted_at"), says="only local pending migrations count",
        undo="rails db:rollback STEP={count}, or {count} times dbmate rollback   # with the newer revision's files",
        tried=True,
    ),
    Tool(
        "Knex", "knex_migrations", _columns("id name batch migration_time"), "name", "id", "migration_time",
        boots=Boot.REFUSES, says="The migration directory is corrupt, the following files are missing: {version}",
        undo="knex migrate:rollback   # the last batch, with the files of the newer revision", tried=True,
    ),
    Tool(
        "Sequelize", "sequelizemeta", _columns("name"), "name", "name", says="unknown names are ignored",
        undo="sequelize-cli db:migrate:undo:all --to {target}   # with the files of the newer revision",
    ),
    Tool(
        "Laravel", "migrations", _columns("id migration batch"), "migration", "id", says="unknown names are ignored",
        undo="php artisan migrate:rollback --step={count}   # with the files of the newer revision",
    ),
    Tool(
        "TypeORM", "migrations", _columns("id timestamp name"), "name", "id", says="unknown names are ignored",
        undo="typeorm migration:revert   # one at a time, with the code of the newer revision",
    ),
    Tool(
        "EF Core", "__efmigrationshistory", _columns("migrationid productversion"), "migrationid", "migrationid",
        says="unknown rows are ignored", undo="dotnet ef database update {target}   # with the newer assembly",
    ),
    Tool(
        "Atlas", "atlas_schema_revisions", _columns("version description applied total executed_at"), "version",
        "version", "executed_at", "description", says="no pending files; a partial revision refuses",
        undo="atlas migrate down --to-version {target}",
    ),
    Tool(
        "pgroll", "migrations", _columns("name migration created_at done"), "name", "created_at", "created_at",
        text="migration", says="an older schema version stays served while a migration is not completed",
        undo="pgroll rollback   # only before `pgroll complete`",
    ),
    Tool(
        "sqlx", "_sqlx_migrations", _columns("version description installed_on success checksum"), "version", "version",
        "installed_on", "description", good=("success", "1"), boots=Boot.REFUSES,
        says="migration {version} was previously applied but is missing in the resolved migrations",
        undo="sqlx migrate revert   # with the files of the newer revision",
    ),
    Tool(
        "Diesel", "__diesel_schema_migrations", _columns("version run_on"), "version", "version", "run_on",
        says="unknown versions are ignored", undo="diesel migration revert --number {count}   # with the newer files",
    ),
    Tool(
        "Doctrine", "doctrine_migration_versions", _columns("version executed_at execution_time"), "version",
        "executed_at", "executed_at", boots=Boot.DEPENDS,
        says="unregistered versions are asked about, and refused without a terminal",
        undo="doctrine:migrations:migrate {target}   # with the code of the newer revision",
    ),
    Tool(
        "refinery", "refinery_schema_history", _columns("version name applied_on checksum"), "version", "version",
        "applied_on", "name", boots=Boot.REFUSES, says="migration {version} is missing from the filesystem", undo="",
    ),
    Tool(
        "Sqitch", "changes", _columns("change_id change committed_at planned_at"), "change", "committed_at",
        "committed_at", boots=Boot.REFUSES, says="Cannot find {version} in the plan",
        undo="sqitch revert --to {target}   # with the plan of the newer revision",
    ),
)  # fmt: skip

TABLES = frozenset(tool.table for tool in TOOLS)
"""Names of history tables, in lower case; most are told apart by their columns as well."""
LOCKS = {"databasechangeloglock": ("Liquibase", "locked"), "knex_migrations_lock": ("Knex", "is_locked")}
"""Tables that hold a lock -> tool and the column that says so."""
BOOKKEEPING = TABLES | frozenset(LOCKS) | {"ar_internal_metadata", "typeorm_metadata", "sequelizedata"}


def recognised(table: str, columns: Iterable[str]) -> Tool | None:
    """The tool whose history a table is; the last part of a qualified name counts."""
    name, there = table.rpartition(".")[2].lower(), {each.lower() for each in columns}
    fitting = (tool for tool in TOOLS if tool.table == name and tool.columns <= there and not tool.without & there)
    return next(fitting, None)


def is_bookkeeping(table: str, columns: Collection[str]) -> bool:
    """Whether the table is a tool's own, and no part of what the application reads."""
    name = table.rpartition(".")[2].lower()
    if name in LOCKS or name in BOOKKEEPING - TABLES:
        return True
    return recognised(table, columns) is not None
