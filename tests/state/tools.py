"""The real migration tools, each with a project that it migrates one step at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import make_url

from tests.state.changes import filled

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "helm-safe" / "migration-tools"
GO = {
    "goose": ("github.com/pressly/goose/v3/cmd/goose@v3.24.1", ()),
    "migrate": ("github.com/golang-migrate/migrate/v4/cmd/migrate@v4.18.1", ("-tags", "postgres")),
}
_JARS = CACHE / "jars-2"
_KNEX = CACHE / "knex-3"


@dataclass
class Project:
    """A folder of migrations. step: writes one migration of these statements and lets the tool run it."""

    folder: Path
    address: str
    kind: str
    step: Callable[[Project, tuple[str, ...]], None]
    count: int = field(default=0)

    def run(self, statements: tuple[str, ...]) -> None:
        self.count += 1
        parts = tuple(part.strip() for each in statements for part in filled(each, self.kind).split(";"))
        self.step(self, parts)

    @property
    def script(self) -> Callable[[tuple[str, ...]], str]:
        return lambda parts: "".join(f"{part};\n" for part in parts)

    def call(self, *command: str | Path, **env: str) -> str:
        words = [str(each) for each in command]
        done = subprocess.run(
            words, cwd=self.folder, env={**os.environ, **env}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words[:3]}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout + done.stderr


class Tool(NamedTuple):
    name: str
    databases: tuple[str, ...]
    at_hand: Callable[[], bool]
    step: Callable[[Project, tuple[str, ...]], None]

    @contextmanager
    def project(self, address: str, kind: str) -> Iterator[Project]:
        with tempfile.TemporaryDirectory() as folder:
            yield Project(Path(folder), address, kind, self.step)


def _sqlalchemy(project: Project) -> str:
    drivers = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}
    return make_url(project.address).set(drivername=drivers[project.kind]).render_as_string(hide_password=False)


_ENV = """\
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_ALEMBIC = (
    "from alembic.config import Config; from alembic import command; c = Config();"
    " c.set_main_option('script_location', '.'); command.upgrade(c, 'head')"
)


def alembic(project: Project, parts: tuple[str, ...]) -> None:
    (project.folder / "versions").mkdir(exist_ok=True)
    (project.folder / "env.py").write_text(_ENV)
    number, before = f"{project.count:04}", f"{project.count - 1:04}" if project.count > 1 else None
    body = "".join(f"    op.execute({part!r})\n" for part in parts)
    head = f"from alembic import op\nrevision = {number!r}\ndown_revision = {before!r}\n"
    (project.folder / "versions" / f"v{number}.py").write_text(f"{head}def upgrade():\n{body}")
    project.call(sys.executable, "-c", _ALEMBIC, URL=_sqlalchemy(project))


_SETTINGS = """\
import os
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {{"default": {{"ENGINE": "django.db.backends.{engine}", "NAME": {name!r}, "USER": {user!r},
 "PASSWORD": {password!r}, "HOST": {host!r}, "PORT": {port!r}}}}}
"""


def django(project: Project, parts: tuple[str, ...]) -> None:
    url = make_url(project.address)
    engine = {"postgresql": "postgresql", "sqlite": "sqlite3"}[project.kind]
    named = {"name": url.database, "user": url.username or "", "password": url.password or ""}
    settings = _SETTINGS.format(engine=engine, host=url.host or "", port=str(url.port or ""), **named)
    (project.folder / "settings.py").write_text(settings)
    migrations = project.folder / "shop" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    for folder in (migrations, migrations.parent):
        (folder / "__init__.py").touch()
    number = f"{project.count:04}"
    before = [("shop", f"{project.count - 1:04}_step")] if project.count > 1 else []
    operations = "".join(f"migrations.RunSQL({part!r})," for part in parts)
    (migrations / f"{number}_step.py").write_text(
        "from django.db import migrations\nclass Migration(migrations.Migration):\n"
        f"    dependencies = {before!r}\n    operations = [{operations}]\n"
    )
    project.call(sys.executable, "-m", "django", "migrate", DJANGO_SETTINGS_MODULE="settings", PYTHONPATH=".")


def _go_program(name: str) -> Path:
    return CACHE / "bin" / name


def goose(project: Project, parts: tuple[str, ...]) -> None:
    driver = {"postgresql": "postgres", "sqlite": "sqlite3"}[project.kind]
    target = (
        project.address.removeprefix("sqlite:///") if project.kind == "sqlite" else f"{project.address}?sslmode=disable"
    )
    (project.folder / f"{project.count:05}_step.sql").write_text(f"-- +goose Up\n{project.script(parts)}")
    project.call(_go_program("goose"), driver, target, "up")


def golang_migrate(project: Project, parts: tuple[str, ...]) -> None:
    (project.folder / f"{project.count}_step.up.sql").write_text(project.script(parts))
    url = f"{project.address}?sslmode=disable"
    project.call(_go_program("migrate"), "-path", ".", "-database", url.replace("postgresql://", "postgres://"), "up")


def dbmate(project: Project, parts: tuple[str, ...]) -> None:
    (project.folder / f"{project.count:014}_step.sql").write_text(
        f"-- migrate:up\n{project.script(parts)}-- migrate:down\n"
    )
    url = f"{project.address}?sslmode=disable"
    project.call(_KNEX / "node_modules" / ".bin" / "dbmate", "--url", url, "-d", ".", "--no-dump-schema", "migrate")


def knex(project: Project, parts: tuple[str, ...]) -> None:
    (project.folder / "migrations").mkdir(exist_ok=True)
    body = "".join(f"  await knex.raw({part!r});\n" for part in parts)
    (project.folder / "migrations" / f"{project.count:014}_step.js").write_text(
        f"exports.up = async (knex) => {{\n{body}}};\nexports.down = async () => {{}};\n"
    )
    (project.folder / "knexfile.js").write_text(
        f"module.exports = {{client: 'pg', connection: {project.address!r}, migrations: {{directory: './migrations'}}}};\n"
    )
    (project.folder / "node_modules").exists() or (project.folder / "node_modules").symlink_to(_KNEX / "node_modules")
    project.call("node", "node_modules/knex/bin/cli.js", "migrate:latest")


def _java(project: Project, main: str, *words: str) -> None:
    project.call("java", "-cp", f"{_JARS}/*", main, *words)


def flyway(project: Project, parts: tuple[str, ...]) -> None:
    (project.folder / "sql").mkdir(exist_ok=True)
    (project.folder / "sql" / f"V{project.count}__step.sql").write_text(project.script(parts))
    url = make_url(project.address)
    address = f"-url=jdbc:postgresql://{url.host}:{url.port}/{url.database}"
    who = (f"-user={url.username}", f"-password={url.password}")
    _java(project, "org.flywaydb.commandline.Main", address, *who, "-locations=filesystem:sql", "migrate")


def liquibase(project: Project, parts: tuple[str, ...]) -> None:
    """Formatted SQL: the rows tell no more than that SQL ran."""
    log = project.folder / "changelog.sql"
    text = log.read_text() if log.exists() else "--liquibase formatted sql\n"
    log.write_text(f"{text}--changeset shop:{project.count}\n{project.script(parts)}")
    url = make_url(project.address)
    words = (f"--url=jdbc:postgresql://{url.host}:{url.port}/{url.database}", "--changelog-file=changelog.sql")
    who = (f"--username={url.username}", f"--password={url.password}")
    _java(project, "liquibase.integration.commandline.LiquibaseCommandLine", *words, *who, "update")


def _go(name: str) -> Callable[[], bool]:
    """Whether the program is there; it is built once, where there is a Go that can."""

    def at_hand() -> bool:
        program = _go_program(name)
        if program.exists():
            return True
        go = shutil.which("go")
        if not go:
            return False
        module, flags = GO[name]
        env = {**os.environ, "GOBIN": str(program.parent), "GOFLAGS": "-mod=mod"}
        return (
            subprocess.run([go, "install", *flags, module], env=env, capture_output=True, check=False).returncode == 0
        )

    return at_hand


_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>x</artifactId><version>1</version><dependencies>{rows}</dependencies></project>
"""
_ARTIFACTS = (
    "org.flywaydb:flyway-commandline:10.20.1",
    "org.flywaydb:flyway-database-postgresql:10.20.1",
    "org.postgresql:postgresql:42.7.4",
    "org.liquibase:liquibase-core:4.29.2",
    "info.picocli:picocli:4.7.6",
    "com.fasterxml.jackson.dataformat:jackson-dataformat-xml:2.15.2",
    "com.fasterxml.jackson.dataformat:jackson-dataformat-toml:2.15.2",
)


_BROKER = ("org.apache.kafka:kafka_2.13:3.9.0", "org.slf4j:slf4j-nop:1.7.36")


def _fetched(folder: Path, artifacts: tuple[str, ...]) -> bool:
    """Whether the jars are there; Maven copies them once, with all that they need."""
    if not shutil.which("java"):
        return False
    maven = shutil.which("mvn")
    if folder.exists() or not maven:
        return folder.exists()
    row = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "pom.xml").write_text(
            _POM.format(rows="".join(row.format(*each.split(":")) for each in artifacts))
        )
        command = [maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"]
        if subprocess.run(command, cwd=work, capture_output=True, check=False).returncode:
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(f"{work}/jars", folder)
    return True


def _jars() -> bool:
    return _fetched(_JARS, _ARTIFACTS)


def kafka_jars() -> Path | None:
    """The folder with the jars of a broker; fetched only where the environment asks for everything."""
    folder = CACHE / "kafka-3.9.0"
    if folder.exists() or os.environ.get("HELM_SAFE_FULL"):
        return folder if _fetched(folder, _BROKER) else None
    return None


def _node() -> bool:
    if not shutil.which("node"):
        return False
    if (_KNEX / "node_modules" / "dbmate").exists():
        return True
    npm = shutil.which("npm")
    if not npm:
        return False
    _KNEX.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(_KNEX), "knex@3", "pg@8", "dbmate@2"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


TOOLS: tuple[Tool, ...] = (
    Tool("Alembic", ("postgresql", "mariadb", "sqlite"), lambda: True, alembic),
    Tool("Django", ("postgresql", "sqlite"), lambda: True, django),
    Tool("goose", ("postgresql", "sqlite"), _go("goose"), goose),
    Tool("golang-migrate", ("postgresql",), _go("migrate"), golang_migrate),
    Tool("dbmate", ("postgresql",), _node, dbmate),
    Tool("Knex", ("postgresql",), _node, knex),
    Tool("Flyway", ("postgresql",), _jars, flyway),
    Tool("Liquibase", ("postgresql",), _jars, liquibase),
)
