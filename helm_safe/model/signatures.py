"""Log lines whose meaning is known: what they say of code, schema, configuration and platform."""

from __future__ import annotations

import re
from typing import NamedTuple


class Signature(NamedTuple):
    """id: permanent. family: what the line is about. meaning: what it says."""

    id: str
    family: str
    meaning: str
    pattern: re.Pattern[str]


class Match(NamedTuple):
    """A signature met in a log, how often, and its first line. subject: what it is about, such as the column's name."""

    signature: Signature
    times: int
    line: str
    subject: str = ""


# Families that condemn a restored pod: time will not mend them. Others (a dependency that is down, a lock) may pass.
FATAL = frozenset({"schema", "disk_format", "migrator", "image", "resources"})
MAX_LINE = 2048

_ROWS: tuple[tuple[str, str, str, str], ...] = (
    (
        "PG_UNDEFINED_COLUMN",
        "schema",
        "old_code_missing_column",
        r'(?i)(?:column "?(?P<col>[\w.]+)"?(?: of relation "?(?P<rel>[\w.]+)"?)? does not exist|SQLSTATE[ (:=\[]*42703\b|UndefinedColumn\b)',
    ),
    (
        "PG_UNDEFINED_TABLE",
        "schema",
        "old_code_missing_table",
        r'(?i)(?:relation "(?P<rel>[\w.]+)" does not exist|SQLSTATE[ (:=\[]*42P01\b|UndefinedTable\b)',
    ),
    (
        "PG_UNDEFINED_FUNCTION",
        "schema",
        "missing_function",
        r'(?i)(?:function [\w.]+\([^)]*\) does not exist|type "[\w.]+" does not exist|SQLSTATE[ (:=\[]*(?:42883|42704)\b)',
    ),
    (
        "PG_NOT_NULL",
        "schema",
        "new_constraint_rejects_old_writes",
        r'(?i)(?:null value in column "(?P<col>\w+)"(?: of relation "(?P<rel>\w+)")? violates not-null constraint|\bSQLSTATE[ (:\[=]*23502\b|NotNullViolation\b)',
    ),
    (
        "PG_CHECK",
        "schema",
        "new_constraint_rejects_old_writes",
        r'(?i)(?:violates check constraint "(?P<con>\w+)"|SQLSTATE[ (:\[=]*23514\b|CheckViolation\b)',
    ),
    (
        "PG_ENUM",
        "schema",
        "old_code_unknown_enum",
        r'(?i)invalid input value for enum (?P<enum>[\w."]+): "(?P<val>[^"]*)"',
    ),
    ("PG_CACHED_PLAN", "schema", "live_ddl", r"(?i)cached plan must not change result type"),
    (
        "PG_DATADIR",
        "disk_format",
        "binary_downgrade",
        r"(?i)(?:database files are incompatible with server|data directory was initialized by PostgreSQL version (?P<disk>[\d.]+),? which is not compatible with this version (?P<bin>[\d.]+))",
    ),
    (
        "MYSQL_1054",
        "schema",
        "old_code_missing_column",
        r"(?i)(?:\b1054\b.{0,40}Unknown column|Unknown column '(?P<col>[^']+)' in|\(42S22\))",
    ),
    ("MYSQL_1146", "schema", "old_code_missing_table", r"(?i)(?:Table '(?P<rel>[^']+)' doesn't exist|\(42S02\))"),
    (
        "MYSQL_1364",
        "schema",
        "new_constraint_rejects_old_writes",
        r"(?i)(?:Field '(?P<col>[^']+)' doesn't have a default value|Column '(?P<col2>[^']+)' cannot be null|Column count doesn't match value count)",
    ),
    (
        "MYSQL_TRUNC",
        "schema",
        "type_narrowed",
        r"(?i)(?:Data truncated for column '(?P<col>[^']+)'|Data too long for column '(?P<col2>[^']+)'|Incorrect \w+ value: .* for column)",
    ),
    (
        "MYSQL_DOWNGRADE",
        "disk_format",
        "binary_downgrade",
        r"(?i)Cannot boot server version (?P<bin>\d+) on data directory built by version (?P<disk>\d+)",
    ),
    ("MSSQL_207", "schema", "old_code_missing_column", r"(?i)(?:Invalid column name '(?P<col>[^']+)'|Msg 207\b)"),
    (
        "MSSQL_208",
        "schema",
        "old_code_missing_table",
        r"(?i)(?:Invalid object name '(?P<rel>[^']+)'|Msg 208\b|Could not find stored procedure '(?P<sp>[^']+)')",
    ),
    (
        "MSSQL_515",
        "schema",
        "new_constraint_rejects_old_writes",
        r"(?i)Cannot insert the value NULL into column '(?P<col>[^']+)', table '(?P<rel>[^']+)'",
    ),
    ("ORA", "schema", "old_code_missing_object", r"ORA-(?:00904|00942|06550|04043|02289|00947|01400|04061|04068)\b"),
    ("SQLITE", "schema", "old_code_missing_object", r"(?i)\bno such (?:column|table): ?(?P<obj>[\w.]+)"),
    (
        "MONGO_VALIDATION",
        "schema",
        "new_constraint_rejects_old_writes",
        r'(?i)(?:Document failed validation|DocumentValidationFailure|"?code"?: ?121\b)',
    ),
    (
        "MONGO_FCV",
        "disk_format",
        "binary_downgrade",
        r"(?i)(?:Wrong mongod version|Found an invalid featureCompatibilityVersion document|Invalid featureCompatibilityVersion document)",
    ),
    (
        "HIBERNATE_VALIDATE",
        "schema",
        "old_code_missing_object",
        r"(?i)(?:SchemaManagementException|Schema-validation: (?:missing|wrong) (?:column|table|sequence|column type)[^\[]*\[(?P<obj>[^\]]+)\])",
    ),
    (
        "FLYWAY_VALIDATE",
        "migrator",
        "history_mismatch",
        r"(?:FlywayValidateException|Validate failed: Migrations have failed validation|Detected applied migration not resolved locally: (?P<ver>[\w.]+)|Migration checksum mismatch for migration version (?P<ver2>[\w.]+)|Detected failed migration to version (?P<ver3>[\w.]+))",
    ),
    (
        "FLYWAY_FUTURE",
        "migrator",
        "db_ahead_warning",
        r"Schema (?P<schema>\S+) has a version \((?P<db>[\w.]+)\) that is newer than the latest available migration \((?P<local>[\w.]+)\)",
    ),
    (
        "LIQUIBASE_CHECKSUM",
        "migrator",
        "history_mismatch",
        r"(?:liquibase\.exception\.ValidationFailedException|Validation Failed:|was: \d+:[0-9a-f]{32} but is now: \d+:[0-9a-f]{32})",
    ),
    ("LIQUIBASE_LOCK", "migrator", "lock", r"(?:Could not acquire change log lock|Waiting for changelog lock)"),
    ("ALEMBIC_UNKNOWN", "migrator", "db_ahead", r"Can't locate revision identified by '(?P<rev>[^']+)'"),
    (
        "DJANGO_INCONSISTENT",
        "migrator",
        "history_mismatch",
        r"(?:InconsistentMigrationHistory|Migration (?P<m>[\w.]+) is applied before its dependency)",
    ),
    ("RAILS_PENDING", "migrator", "db_behind", r"(?:ActiveRecord::PendingMigrationError|Migrations are pending)"),
    ("RAILS_IRREVERSIBLE", "migrator", "irreversible", r"ActiveRecord::IrreversibleMigration"),
    ("GOMIGRATE_UNKNOWN", "migrator", "db_ahead", r"no migration found for version (?P<ver>\d+)"),
    ("GOMIGRATE_DIRTY", "migrator", "dirty", r"Dirty database version (?P<ver>\d+)\. Fix and force version"),
    (
        "KNEX_CORRUPT",
        "migrator",
        "db_ahead",
        r"The migration directory is corrupt, the following files are missing: (?P<files>.+)",
    ),
    (
        "KNEX_LOCK",
        "migrator",
        "lock",
        r"(?:MigrationLocked|Migration table is already locked|Can\'t take lock to run migrations)",
    ),
    (
        "PRISMA",
        "migrator_or_schema",
        "mixed",
        r"(?:\bP20(?:21|22)\b|\bP30(?:05|06|09|18)\b|migrations from the database are not found locally)",
    ),
    (
        "EF_PENDING",
        "migrator",
        "model_drift",
        r"(?:PendingModelChangesWarning|The model for context .* has (?:pending changes|changed))",
    ),
    (
        "GOOSE_MISSING",
        "migrator",
        "history_mismatch",
        r"found \d+ missing (?:\(out-of-order\) )?migrations?(?: before current version (?P<cur>\d+))?",
    ),
    (
        "REDIS_WRONGTYPE",
        "cache",
        "type_changed",
        r"\bWRONGTYPE Operation against a key holding the wrong kind of value",
    ),
    ("REDIS_RDB", "disk_format", "binary_downgrade", r"Can't handle RDB format version (?P<v>\d+)"),
    (
        "CACHE_DESER",
        "cache",
        "payload_changed",
        r"""(?:UnrecognizedPropertyException|Unrecognized field "(?P<f>[^"]+)"|InvalidClassException: .*serialVersionUID|StreamCorruptedException|UnpicklingError|Can\'t get attribute \'[^\']+\' on <module|InvalidDefinitionException|InvalidTypeIdException|ClassNotFoundException: (?P<cls>[\w.$]+)|SerializationException: (?:Could not read JSON|Cannot deserialize|Could not deserialize))""",
    ),
    (
        "KAFKA_DESER",
        "kafka",
        "payload_changed",
        r"(?:RecordDeserializationException|Error deserializing (?:key/value|KEY|VALUE) for partition (?P<tp>[\w.-]+-\d+)(?: at offset (?P<off>\d+))?|org\.apache\.kafka\.common\.errors\.SerializationException|Unknown magic byte!?|AvroTypeException|InvalidProtocolBufferException|IncompatibleSchemaException)",
    ),
    (
        "KAFKA_SR",
        "kafka",
        "registry",
        r'(?:Schema being registered is incompatible with an earlier schema|"?error_code"?: ?(?:40401|40403|409|42201)\b|Subject .* not found; error code: 40401|Schema .* not found; error code: 40403)',
    ),
    (
        "KAFKA_OFFSET",
        "kafka",
        "retention",
        r"(?:OffsetOutOfRangeException|NoOffsetForPartitionException|Fetch position .* is out of range)",
    ),
    (
        "KAFKA_METADATA",
        "disk_format",
        "binary_downgrade",
        r"(?:Unsupported metadata\.version|No MetadataVersion with feature level (?P<l>\d+)|Invalid cluster\.id in)",
    ),
    (
        "ES_DOWNGRADE",
        "disk_format",
        "binary_downgrade",
        r"cannot downgrade a node from version \[(?P<disk>[\d.]+)\] to version \[(?P<bin>[\d.]+)\]",
    ),
    (
        "ETCD_DOWNGRADE",
        "disk_format",
        "binary_downgrade",
        r"(?i)(?:cluster cannot be downgraded|invalid downgrade; server version is lower than determined cluster version)",
    ),
    (
        "DB_AUTH",
        "config",
        "credential_reverted",
        r"""(?i)(?:password authentication failed for user "(?P<u>[^"]+)"|Access denied for user \'(?P<u2>[^\']+)\'@|Login failed for user|ORA-01017|WRONGPASS|NOAUTH Authentication required|SASL authentication failed|AuthenticationFailed|SQLSTATE[ (:=\[]*(?:28P01|28000)\b)""",
    ),
    (
        "DISK_FULL",
        "platform",
        "disk_full",
        r"(?i)(?:No space left on device|\bENOSPC\b|Disk quota exceeded|database or disk is full|SQLSTATE[ (:=\[]*53100\b)",
    ),
    (
        "TLS_CERTIFICATE",
        "dependency",
        "certificate",
        r"(?i)(?:certificate has expired|certificate is not yet valid|CERT_HAS_EXPIRED|CertificateExpiredException|CertificateNotYetValidException|certificate verify failed|unable to get local issuer certificate|certificate signed by unknown authority|PKIX path (?:building|validation) failed|SSLHandshakeException)",
    ),
    (
        "DNS",
        "dependency",
        "name_unknown",
        r"(?i)(?:\bENOTFOUND\b(?: (?P<h>[\w.-]+))?|\bEAI_AGAIN\b|(?:lookup (?P<h2>[\w.-]+)[^\n]{0,80})?no such host|Name or service not known|Temporary failure in name resolution|UnknownHostException(?:: (?P<h3>[\w.-]+))?|could not translate host name \"?(?P<h4>[\w.-]+)|nodename nor servname provided|server misbehaving)",
    ),
    (
        "DB_UNREACHABLE",
        "dependency",
        "network",
        r"(?i)(?:ECONNREFUSED|Connection refused|could not connect to server|i/o timeout|Communications link failure|No route to host|\bEHOSTUNREACH\b|\bETIMEDOUT\b|connection timed out|upstream connect error)",
    ),
    (
        "DB_SATURATED",
        "dependency",
        "capacity",
        r"(?i)(?:too many clients already|remaining connection slots are reserved|Too many connections|Connection is not available, request timed out after|QueuePool limit of size)",
    ),
    (
        "CONFIG_MISSING",
        "config",
        "missing_key",
        r"""(?:Could not resolve placeholder '(?P<k>[^']+)'|KeyError: '(?P<k2>[A-Z][A-Z0-9_]+)'|environment variable \"?(?P<k3>[A-Z][A-Z0-9_]+)\"? (?:is )?(?:not set|required|missing)|Missing required (?:env|environment|config)\w*|ImproperlyConfigured|ConfigurationException|required key (?P<k4>[A-Z0-9_]+) missing value|Field required \[type=missing)""",
    ),
    (
        "JVM_OOM",
        "resources",
        "oom",
        r"(?:java\.lang\.OutOfMemoryError|JavaScript heap out of memory|MemoryError|fatal error: runtime: out of memory|signal: killed)",
    ),
    ("EXEC_FORMAT", "image", "arch", r"(?:exec format error|exec user process caused)"),
    (
        "PORT_IN_USE",
        "config",
        "port_in_use",
        r"(?i)(?:address already in use|\bEADDRINUSE\b(?:[^\n]{0,40}:(?P<p>\d{1,5}))?|Port (?P<p2>\d{1,5}) was already in use|Only one usage of each socket address)",
    ),
    (
        "READ_ONLY",
        "config",
        "read_only",
        r"(?i)(?:Read-only file system|\bEROFS\b|ReadOnlyFileSystemException)",
    ),
    (
        "PERMISSION",
        "config",
        "permission",
        r"(?i)(?:permission denied(?! for (?:table|relation|schema|database|sequence))|\bEACCES\b|\bEPERM\b|operation not permitted|AccessDeniedException: /)",
    ),
    (
        "DB_RIGHTS",
        "config",
        "database_rights",
        r"(?i)(?:permission denied for (?:table|relation|schema|database|sequence) (?P<o>[\w.\"]+)|must be owner of (?:table|relation)|SQLSTATE[ (:=\[]*42501\b|command denied to user|ORA-01031\b)",
    ),
    (
        "CODE_MISSING",
        "image",
        "code_missing",
        r"(?:ModuleNotFoundError: No module named '(?P<m>[\w.]+)'|Cannot find module '(?P<m2>[^']{1,120})'|NoClassDefFoundError: (?P<m3>[\w./$]+)|error while loading shared libraries: (?P<m4>[\w.+-]+)|executable file not found in \$PATH)",
    ),
)
SIGNATURES = tuple(Signature(name, family, meaning, re.compile(regex)) for name, family, meaning, regex in _ROWS)


# A level in capitals, in JSON or logfmt, of klog, of pino; and what runtimes print when nobody caught it.
_ERROR = re.compile(
    r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|EMERG)\b"
    r"|(?i:\b(?:level|severity|lvl)\W{1,4}(?:err|error|fatal|critical|panic|emerg|alert)\b)"
    r"|^[EF]\d{4} \d\d:|\"level\":\s?[56]0\b|^Traceback \(most recent call last\)|^panic: |^Unhandled "
)


def scan(log: str) -> list[Match]:
    """The signatures in a log, most frequent first; each line counts for the first signature that it matches."""
    found: dict[tuple[str, str], Match] = {}
    for line in log.splitlines():
        tally(found, line)
    return sorted(found.values(), key=lambda match: -match.times)


def tally(found: dict[tuple[str, str], Match], line: str) -> None:
    """Count one more line. found: by id of the signature and subject."""
    match = match_of(line)
    if match:
        known = found.get((match.signature.id, match.subject))
        found[match.signature.id, match.subject] = known._replace(times=known.times + 1) if known else match


def match_of(line: str) -> Match | None:
    """The first signature that a line matches."""
    short = line[:MAX_LINE]
    for signature in SIGNATURES:
        met = signature.pattern.search(short)
        if met:
            subject = ".".join(value.lower() for value in met.groupdict().values() if value)
            return Match(signature, 1, short, subject)
    return None


def is_error(line: str) -> bool:
    """Whether a line, its time left out, says of itself that it is an error."""
    return _ERROR.search(line[:MAX_LINE]) is not None
