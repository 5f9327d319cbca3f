"""Engines that keep data on disk: how their images and operators spell a version, and which way back is closed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from helm_safe.checks.base import ERROR, WARNING
from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, dig

Version = tuple[int, ...]

_NUMBERS = re.compile(r"v?(\d{1,5}(?:\.\d{1,5}){0,3})(?![\d.]*[A-Za-z]*T)")
_POSTGRES = re.compile(r"pg(\d{1,2}(?:\.\d{1,3})?)")
# Which format Redis writes: versions between which it did not change may go back and forth.
_RDB = {(5, 0): 9, (6, 0): 9, (6, 2): 9, (7, 0): 10, (7, 2): 11, (7, 4): 12, (8, 0): 12}


def _first(count: int) -> Callable[[Version], Version]:
    return lambda version: (*version, 0, 0, 0)[:count]


def _mysql(version: Version) -> Version:
    """A series reads its own files both ways; within 8.0 that holds from 8.0.35 on."""
    series, patch = (*version, 0, 0)[:2], (*version, 0, 0, 0)[2]
    return (*series, min(patch, 35)) if series == (8, 0) else series


def _postgres(version: Version) -> Version:
    return version[:1] if version[:1] >= (10,) else _first(2)(version)


def _redis(version: Version) -> Version:
    series = _first(2)(version)
    return (_RDB[series],) if series in _RDB else (100, *series)


class Engine(NamedTuple):
    """One row. image: pattern of the repository's last parts. component: the part of a version that its files follow.

    says: what the old program says of newer files. anywhere: its data may be in a database elsewhere.
    """

    name: str
    image: re.Pattern[str]
    component: Callable[[Version], Version]
    says: str
    severity: Severity = ERROR
    anywhere: bool = False


def _row(
    name: str,
    image: str,
    component: Callable[[Version], Version],
    says: str,
    severity: Severity = ERROR,
    *,
    anywhere: bool = False,
) -> Engine:
    return Engine(name, re.compile(rf"(?:^|/)(?:{image})$"), component, says, severity, anywhere)


ENGINES: tuple[Engine, ...] = (
    _row(
        "PostgreSQL",
        r"postgres|postgresql|postgresql-repmgr|postgis|pgvector|timescaledb(?:-ha|-postgis)?",
        _postgres,
        "database files are incompatible with server",
    ),
    _row("MySQL", r"mysql|mysql-server|community-server|percona-server|percona-xtradb-cluster|percona", _mysql,
         "Cannot boot server version … on data directory built by version …"),
    _row("MariaDB", r"mariadb|mariadb-galera", _first(2), "the redo log or the data dictionary is of a newer format"),
    _row("MongoDB", r"mongo|mongodb|mongodb-community-server|percona-server-mongodb", _first(2),
         "Wrong mongod version: invalid featureCompatibilityVersion document"),
    _row("Redis", r"redis|redis-cluster|redis-stack-server", _redis, "Can't handle RDB format version …"),
    _row("Valkey", r"valkey|valkey-cluster", _first(2), "Can't handle RDB format version …"),
    _row("Elasticsearch", r"elasticsearch(?:-oss|-wolfi)?", _first(3), "cannot downgrade a node from version …"),
    _row("OpenSearch", r"opensearch", _first(3), "cannot downgrade a node from version …"),
    _row("etcd", r"etcd", _first(2), "invalid downgrade; server version is lower than determined cluster version"),
    _row("Cassandra", r"cassandra|cass-management-api", _first(2), "incompatible sstable"),
    _row("ScyllaDB", r"scylla", _first(2), "incompatible sstable"),
    _row("Kafka", r"kafka|cp-kafka|cp-server", _first(2), "No MetadataVersion with feature level …", WARNING),
    _row("RabbitMQ", r"rabbitmq", _first(2), "feature flags unsupported", WARNING),
    _row("ClickHouse", r"clickhouse|clickhouse-server", _first(2), "parts of a newer format", WARNING),
    _row("ZooKeeper", r"zookeeper|cp-zookeeper", _first(2), "snapshots of a newer format", WARNING),
    _row("Vault", r"vault|openbao", _first(2), "storage that a newer version has upgraded", WARNING),
    _row("Consul", r"consul", _first(2), "Raft snapshots of a newer format", WARNING),
    _row("NATS", r"nats|nats-server", _first(2), "JetStream files of a newer format", WARNING),
    _row("InfluxDB", r"influxdb", _first(1), "an engine of a newer format", WARNING),
    _row("Prometheus", r"prometheus", _first(1), "invalid block or head chunk format", WARNING),
    _row("Loki", r"loki", _first(1), "a newer index schema", WARNING),
    _row("Grafana", r"grafana(?:-oss|-enterprise)?", _first(1), "a database with newer migrations", WARNING,
         anywhere=True),
    _row("Keycloak", r"keycloak", _first(1), "a database with newer changesets", WARNING, anywhere=True),
    _row("Nextcloud", r"nextcloud", _first(1), "Downgrading is not supported", WARNING, anywhere=True),
)  # fmt: skip
_BY_NAME = {row.name: row for row in ENGINES}

# (group, kind) of an operator's object -> its engine, and where the version or the image stands.
OPERATED: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("postgresql.cnpg.io", "Cluster"): ("PostgreSQL", ("spec", "imageName")),
    ("acid.zalan.do", "postgresql"): ("PostgreSQL", ("spec", "postgresql", "version")),
    ("postgres-operator.crunchydata.com", "PostgresCluster"): ("PostgreSQL", ("spec", "postgresVersion")),
    ("pgv2.percona.com", "PerconaPGCluster"): ("PostgreSQL", ("spec", "postgresVersion")),
    ("elasticsearch.k8s.elastic.co", "Elasticsearch"): ("Elasticsearch", ("spec", "version")),
    ("opensearch.opster.io", "OpenSearchCluster"): ("OpenSearch", ("spec", "general", "version")),
    ("mongodbcommunity.mongodb.com", "MongoDBCommunity"): ("MongoDB", ("spec", "version")),
    ("psmdb.percona.com", "PerconaServerMongoDB"): ("MongoDB", ("spec", "image")),
    ("pxc.percona.com", "PerconaXtraDBCluster"): ("MySQL", ("spec", "pxc", "image")),
    ("k8s.mariadb.com", "MariaDB"): ("MariaDB", ("spec", "image")),
    ("rabbitmq.com", "RabbitmqCluster"): ("RabbitMQ", ("spec", "image")),
    ("k8ssandra.io", "K8ssandraCluster"): ("Cassandra", ("spec", "cassandra", "serverVersion")),
    ("cassandra.datastax.com", "CassandraDatacenter"): ("Cassandra", ("spec", "serverVersion")),
    ("scylla.scylladb.com", "ScyllaCluster"): ("ScyllaDB", ("spec", "version")),
}


def engine_of(image: str) -> Engine | None:
    """The engine of an image, by its repository."""
    repository = _split(image)[0]
    return next((row for row in ENGINES if row.image.search(repository)), None)


def version_of(image: str, engine: Engine) -> Version | None:
    """The version in an image's tag, None where the tag tells none."""
    repository, tag = _split(image)
    inside = _POSTGRES.search(tag) if engine.name == "PostgreSQL" else None
    if inside is None and "timescaledb" in repository:
        return None  # its tag counts the extension
    return parse_version(inside[1] if inside else tag)


def parse_version(text: str) -> Version | None:
    """16.4-alpine -> (16, 4); None for latest, for a date, for a digest."""
    match = _NUMBERS.match(text)
    return tuple(map(int, match[1].split("."))) if match else None


def operated(obj: Object, kind: tuple[str, str]) -> tuple[Engine, Version] | None:
    """Engine and version of an operator's object, where it states them."""
    if kind not in OPERATED:
        return None
    name, path = OPERATED[kind]
    engine, stated = _BY_NAME[name], str(dig(obj, *path) or "")
    version = version_of(stated, engine) if ":" in stated else parse_version(stated)
    return (engine, version) if version else None


def _split(image: str) -> tuple[str, str]:
    """(repository, tag) without a digest."""
    name = image.partition("@")[0][:512]
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{slash}{repository}", tag
