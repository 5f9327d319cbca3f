"""DB-BOOT-001: the target's pods migrate a database when they start."""

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
    image_of,
    unchanged,
)
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.migrations import signs
from helm_safe.checks.schemas import since_target
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.workloads import all_containers, container_name, init_containers, pod_template
from helm_safe.model.migration_tools import TOOLS, Boot
from helm_safe.model.snapshot import Snapshot


class Migrator(NamedTuple):
    """One row: a tool, and the patterns of its image, of its command and of the variables that switch it on."""

    tool: str
    image: str = ""
    command: str = ""
    variable: str = ""


# The more telling first: the first row that fits names the tool.
MIGRATORS: tuple[Migrator, ...] = (
    Migrator(
        "Flyway",
        r"(?:^|/)(?:flyway|redgate|boxfuse)/flyway(?:[:@]|$)",
        r"\bflyway\b[^\n]{0,400}\b(?:migrate|undo|repair|clean|baseline)\b",
        r"(?:SPRING_|QUARKUS_)?FLYWAY_\w+",
    ),
    Migrator(
        "Liquibase",
        r"(?:^|/)liquibase(?:/liquibase)?(?:-pro|-secure)?(?:[:@]|$)",
        r"\bliquibase\b[^\n]{0,400}\b(?:update|rollback|tag|drop-all)",
        r"(?:SPRING_|QUARKUS_|RUN_)?LIQUIBASE(?:_\w+)?",
    ),
    Migrator("Alembic", command=r"\balembic\b[^\n]{0,400}\b(?:upgrade|downgrade|stamp)\b"),
    Migrator("Flask-Migrate", command=r"\bflask\s+db\s+(?:upgrade|downgrade)\b"),
    Migrator("Airflow or Superset", command=r"\b(?:airflow|superset)\s+db\s+(?:migrate|upgrade|init)\b"),
    Migrator("Django", command=r"\b(?:manage\.py|django-admin|-m\s+django)\s+(?:migrate\w*|flush)\b"),
    Migrator("Rails", command=r"\b(?:rails|rake)\s+(?:db:(?:migrate|prepare|rollback|create|seed)|data:migrate)"),
    Migrator("Prisma", command=r"\bprisma\s+(?:migrate|db\s+(?:execute|seed))\b"),
    Migrator("golang-migrate", r"(?:^|/)migrate/migrate(?:[:@]|$)"),
    Migrator(
        "goose",
        r"(?:^|/)(?:pressly/goose|gomicro/goose|kukymbr/goose-docker)(?:[:@]|$)",
        r"\bgoose\b[^\n]{0,400}\b(?:up|down|redo|reset)",
    ),
    Migrator(
        "dbmate", r"(?:^|/)amacneil/dbmate(?:[:@]|$)", r"\bdbmate\b[^\n]{0,400}\b(?:up|migrate|rollback|down|drop)\b"
    ),
    Migrator("Knex", command=r"\bknex\b[^\n]{0,400}\bmigrate:"),
    Migrator("Sequelize", command=r"\bsequelize(?:-cli)?\s+db:(?:migrate|seed)"),
    Migrator("TypeORM", command=r"\btypeorm\b[^\n]{0,400}\bmigration:", variable=r"TYPEORM_MIGRATIONS_RUN"),
    Migrator("MikroORM", command=r"\bmikro-orm\s+migration:"),
    Migrator("Drizzle", command=r"\bdrizzle-kit\s+migrate\b"),
    Migrator("EF Core", command=r"\bdotnet(?:-|\s+)ef\s+database\s+update\b|(?:^|[\s/])efbundle\b"),
    Migrator("Atlas", r"(?:^|/)arigaio/atlas(?:[:@]|$)", r"\batlas\s+migrate\b"),
    Migrator("pgroll", r"(?:^|/)xataio/pgroll(?:[:@]|$)", r"\bpgroll\s+(?:start|complete|rollback|migrate|init)\b"),
    Migrator("Sqitch", r"(?:^|/)sqitch/sqitch(?:[:@]|$)", r"\bsqitch\s+(?:deploy|revert|rebase)\b"),
    Migrator("Diesel or sqlx", command=r"\b(?:diesel\s+migration|sqlx\s+migrate)\s+(?:run|revert|redo)\b"),
    Migrator("Ecto", command=r"\becto\.(?:migrate|rollback)\b|\bRelease\.(?:migrate|rollback)\b"),
    Migrator("Doctrine", command=r"\bdoctrine:migrations:"),
    Migrator("Laravel", command=r"\bartisan\s+migrate"),
    Migrator("migrate-mongo", command=r"\bmigrate-mongo\s+(?:up|down)\b", variable=r"MONGOCK_\w+"),
    Migrator("gh-ost or pt-online-schema-change", command=r"\b(?:gh-ost|pt-online-schema-change)\b"),
    Migrator(
        "SQL by hand",
        command=r"\b(?:psql|mysql|mariadb|sqlcmd|sqlplus|mongosh|cqlsh|clickhouse-client)\b[^\n]{0,400}"
        r"(?:\s-f\s|\s<\s|\s--file|\b(?:alter|create|drop|insert|update|delete|truncate|grant)\s)",
    ),
    Migrator(
        "a migration",
        r"(?:^|[-/_])(?:db-?)?migrat(?:e|ions?|or)(?:[-:@]|$)",
        r"(?<!no)(?<!skip)(?<!without)(?:^|[\s/_\"'-])(?:db[-_:]?)?migrat(?:e|ions?)\b",
        r"(?:RUN_|AUTO_?|ENABLE_)?(?:DB_|DATABASE_)?(?:AUTO_?)?MIGRAT(?:E|IONS?)(?:_(?:ON_)?(?:START|STARTUP|BOOT|ENABLED|RUN))?",
    ),
)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    twins = {workload.ref for workload in doubled_workloads(snapshot)}
    for workload in workloads(snapshot.change.target, long_running=True):
        for container in all_containers(workload.template):
            sign = sign_of(snapshot, workload, container)
            refusal = _refusal(snapshot, workload, container, sign[0]) if sign else ""
            if sign and refusal:
                yield _refuses(snapshot, workload, container, sign, refusal)
            elif sign and workload.ref in twins:
                yield _finding(snapshot, workload, container, *sign)


_FAMILIES = {"Flask-Migrate": "Alembic", "Airflow or Superset": "Alembic", "Diesel or sqlx": "sqlx"}
"""Commands that run another tool below."""


def _refusal(snapshot: Snapshot, workload: Workload, container: Object, name: str) -> str:
    """Why the old tool will not start the pod: the evidence that the database is ahead of it; "" without any."""
    tool = _FAMILIES.get(name, name)
    if not any(row.name == tool and row.boots is Boot.REFUSES for row in TOOLS):
        return ""
    database = snapshot.state.database
    if database and any(ledger.tool == tool for ledger in database.ledgers):
        ahead = next((each for each in since_target(snapshot) if each.ledger.tool == tool), None)
        return f"L4: {ahead.ledger.table} stands at {ahead.ledger.head}" if ahead and ahead.certain else ""
    ran = next((sign for sign in signs(snapshot) if "Succeeded" in sign.words), None)
    if ran:
        return f"L2: {ran.object}: {ran.words}"
    now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
    newer = [each for each in all_containers(now) if container_name(each) == container_name(container)]
    if newer and image_of(newer[0]) != image_of(container) and command_of(newer[0]) == command_of(container):
        return f"L2: the current pods run the same command from {image_of(newer[0])}"
    return ""


def _refuses(
    snapshot: Snapshot, workload: Workload, container: Object, sign: tuple[str, str], evidence: str
) -> Finding:
    tool, why = sign
    row = next(each for each in TOOLS if each.name == _FAMILIES.get(tool, tool))
    ahead = next((each for each in since_target(snapshot) if each.ledger.tool == row.name), None)
    undo = ahead.undo if ahead else row.undo.format(target="REVISION-OF-THE-OLD-CODE", count=1, app="APP")
    number = snapshot.change.target.number
    said = ahead.boot_words if ahead else row.says.replace("{version}", "…")
    return Finding(
        CHECK.id,
        ERROR if evidence.startswith("L4") or "Succeeded" in evidence else WARNING,
        f"Pods of {workload.ref} will not start with revision {number}: container {container_name(container)}"
        f" runs {tool},"
        f" which does not know the newer migrations and ends with `{said}`.",
        object=str(workload.ref),
        field=f"spec.template.spec.containers[{container_name(container)}]",
        evidence=(f"sign: {why}", evidence),
        remediation=f"Roll forward; or bridge: first, with the image of the newer revision, {undo}",
    )


def _concerns(snapshot: Snapshot) -> bool:
    """Whether pods are doubled, or a migration tool is among the target's containers."""
    return doubled(snapshot) or any(
        sign_of(snapshot, workload, container)
        for workload in workloads(snapshot.change.target, long_running=True)
        for container in all_containers(workload.template)
    )


def sign_of(snapshot: Snapshot, workload: Workload, container: Object) -> tuple[str, str] | None:
    """The tool and what gives it away."""
    command, image, name = command_of(container), image_of(container), container_name(container)
    settings = environment(snapshot, workload, container)
    # A switch that is off speaks for all variables of its tool.
    off = tuple(each.name.removesuffix("ENABLED") for each in settings if each.name.endswith("_ENABLED") and each.off)
    on = [each for each in settings if not each.off and not (off and each.name.startswith(off))]
    starts_with = name if container in init_containers(workload.template) else ""
    for row in MIGRATORS:
        if row.image and re.search(row.image, image):
            return row.tool, f"image {image}"
        if row.command and re.search(row.command, command, re.IGNORECASE):
            return row.tool, "its command"
        if row.image and starts_with and re.search(row.image, starts_with):
            return row.tool, "its name"
        found = next((each for each in on if row.variable and re.fullmatch(row.variable, each.name)), None)
        if found:
            return row.tool, f"variable {found.name} ({found.source})"
    return None


def _finding(snapshot: Snapshot, workload: Workload, container: Object, tool: str, why: str) -> Finding:
    number, same = snapshot.change.target.number, unchanged(snapshot, workload, container)
    known = " The current pods run the very same container, so it should find nothing to do." if same else ""
    return Finding(
        CHECK.id,
        WARNING if same else ERROR,
        f"Container {container_name(container)} of {workload.ref} in revision {number} seems to run {tool} when a pod"
        f" starts: the standby would let old migrations loose on today's database.{known}",
        object=str(workload.ref),
        field=f"spec.template.spec.containers[{container_name(container)}]",
        evidence=(f"sign: {why}",),
        remediation="Switch the migration off in that revision, or make sure that it does nothing on a newer schema and"
        f' say so: --accept {CHECK.id}="why". Without a standby (--strategy native) the restored pods run it all the'
        " same.",
    )


CHECK = Check(
    "DB-BOOT-001",
    "Pods migrate when they start",
    ERROR,
    "A container runs a migration tool at every start. On a schema from the future Alembic, golang-migrate, Knex and"
    " others refuse to start the pod; in a workload that would be doubled, any tool lets old migrations loose.",
    "Switch the migration off in the target, or accept it knowing what the tool does with a newer schema.",
    _run,
    needs=(CONFIG_MAP,),
    when=_concerns,
)
