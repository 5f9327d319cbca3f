"""DB-SYNC-001: the target's code brings the schema into its own shape when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.base import CONFIG_MAP, ERROR, WARNING, Check
from helm_safe.checks.doubles import (
    command_of,
    doubled,
    doubled_workloads,
    environment,
    texts,
    unchanged,
)
from helm_safe.checks.facts import Workload
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.workloads import all_containers, container_name
from helm_safe.model.snapshot import Snapshot

_DDL = r"(?:update|create(?:-drop|-only)?|drop(?:-and-create)?)"
_YES = r"(?:true|1|yes|on)"


class Sync(NamedTuple):
    """One row. variable, value: of an environment variable; text: in a command, in options or in a file."""

    stack: str
    effect: str
    variable: str = ""
    value: str = _YES
    text: str = ""


SYNCS: tuple[Sync, ...] = (
    Sync(
        "Hibernate",
        "adds what it misses, or drops and creates tables",
        r"(?:SPRING_JPA_(?:PROPERTIES_)?)?HIBERNATE_(?:DDL_?AUTO|HBM2DDL_AUTO)"
        r"|QUARKUS_HIBERNATE_ORM_(?:DATABASE_GENERATION|SCHEMA_MANAGEMENT_STRATEGY)",
        _DDL,
        rf"(?:ddl-auto|hbm2ddl\.auto|schema-management\.strategy|database\.generation)[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?{_DDL}\b",
    ),
    Sync(
        "TypeORM",
        "drops columns and tables that it does not know",
        r"(?:TYPEORM|DB|DATABASE)_(?:SYNCHRONIZE|DROP_SCHEMA)",
        text=r"\b(?:synchronize|dropSchema)[\"']?\s{0,4}[:=]\s{0,4}true\b|\btypeorm\b[^\n]{0,400}\bschema:(?:sync|drop)\b",
    ),
    Sync("Sequelize", "alters or recreates tables", r"(?:SEQUELIZE|DB|DATABASE)_SYNC(?:_\w+)?", rf"{_YES}|alter|force"),
    Sync(
        "Liquibase",
        "drops the whole schema first",
        r"(?:SPRING_)?LIQUIBASE_DROP_FIRST",
        text=r"\bdrop-first:\s{0,4}true\b",
    ),
    Sync(
        "Flyway",
        "wipes the schema when it does not know it",
        r"(?:SPRING_)?FLYWAY_CLEAN_ON_VALIDATION_ERROR",
        text=r"\bclean-on-validation-error:\s{0,4}true\b",
    ),
    Sync("Prisma", "drops what it does not know", text=r"\bprisma\s+(?:db\s+push|migrate\s+reset)\b"),
    Sync("Drizzle", "drops what it does not know", text=r"\bdrizzle-kit\s+push\b"),
    Sync("MikroORM", "drops what it does not know", text=r"\bmikro-orm\s+schema:(?:update|drop|fresh)\b"),
    Sync("Doctrine", "drops what it does not know", text=r"\bdoctrine:schema:(?:update|drop|create)\b"),
    Sync("Rails", "loads the old schema over the new one", text=r"\b(?:rails|rake)\s+db:(?:schema:load|setup|reset)\b"),
    Sync("Atlas", "plans away what it does not know", text=r"\batlas\s+schema\s+apply\b"),
    Sync("Skeema", "drops what it does not know", text=r"\bskeema\s+push\b"),
)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in doubled_workloads(snapshot):
        for container in all_containers(workload.template):
            for row, where in _in_container(snapshot, workload, container):
                yield _finding(workload, row, where, same=unchanged(snapshot, workload, container))
        for where, text in texts(snapshot, workload):
            for row in SYNCS:
                if row.text and re.search(row.text, text):
                    same = all(unchanged(snapshot, workload, each) for each in all_containers(workload.template))
                    yield _finding(workload, row, where, same=same)


def _in_container(snapshot: Snapshot, workload: Workload, container: Object) -> Iterator[tuple[Sync, str]]:
    settings = environment(snapshot, workload, container)
    options = [(f"command of container {container_name(container)}", command_of(container))]
    options += [(f"variable {each.name} ({each.source})", each.value or "") for each in settings]
    for row in SYNCS:
        where = [f"variable {each.name} ({each.source})" for each in settings if _switched(row, each.name, each.value)]
        where += [place for place, text in options if row.text and re.search(row.text, text[:4096])]
        if where:
            yield row, where[0]


def _switched(row: Sync, name: str, value: str | None) -> bool:
    if not row.variable or value is None or not re.fullmatch(row.variable, name):
        return False
    return bool(re.fullmatch(row.value, value.strip(), re.IGNORECASE))


def _finding(workload: Workload, row: Sync, where: str, *, same: bool) -> Finding:
    known = " The current pods start with the very same setting and code." if same else ""
    return Finding(
        CHECK.id,
        WARNING if same else ERROR,
        f"{workload.ref} lets {row.stack} change the schema at start: {row.effect}. On a schema from the future that"
        f" may destroy data while both versions serve.{known}",
        object=str(workload.ref),
        evidence=(f"set in: {where}",),
        remediation="Choose a revision that does not do this, or roll forward; restored pods would do the same without"
        " a standby.",
    )


CHECK = Check(
    "DB-SYNC-001",
    "Schema synchronised at start",
    ERROR,
    "The target's code is set to bring the database into the shape that it knows. Old code drops or recreates what was"
    " added since.",
    "Switch the synchronisation off in the target, or roll forward.",
    _run,
    needs=(CONFIG_MAP,),
    when=doubled,
)
