"""The causes that an autopsy knows: what each is, whom it accuses, and which differences explain it. A table. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kin(str, Enum):
    """Whom a cause accuses."""

    RELEASE = "the release"
    DEPENDENCY = "something that the release depends on"
    PLATFORM = "the platform"
    SCHEMA = "the schema"


class Cause(NamedTuple):
    """One row. weight: how much it says by itself, 0 to 10. title: "{}" is what it is about.

    explains: kinds of hunks that speak for the release being the cause; those in `close` are about the very thing.
    named: only hunks that mention its subject explain it. places: of variables and keys only those that name addresses
    (or, for credentials, secrets). soft: what a dependency that fails looks like, too: new code alone speaks less for it.
    vague: a state that another cause usually explains; left out where one does.
    """

    id: str
    kin: Kin
    weight: float
    title: str
    close: frozenset[str] = frozenset()
    explains: frozenset[str] = frozenset()
    named: bool = False
    places: str = ""
    soft: bool = False
    vague: bool = False


_CODE = frozenset(
    {"image", "command", "env", "config", "secret", "reference", "mount", "security", "lifecycle", "template"}
)
_IMAGE = frozenset({"image"})
ADDRESS = r"(?i)host|url|uri|dsn|addr|endpoint|broker|server|port|conn"
CREDENTIAL = r"(?i)pass|pwd|secret|token|key|cred|user|dsn|url|uri|conn"


def _set(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


_ROWS = (
    # What never begins.
    Cause("image-missing", Kin.RELEASE, 9, "the image {} does not exist in its registry", _IMAGE),
    Cause("image-name", Kin.RELEASE, 9, "the image name {} cannot be read", _IMAGE),
    Cause("image-denied", Kin.RELEASE, 8, "the registry does not give the image {} to these pods", _set("reference"), _IMAGE),
    Cause("registry-down", Kin.PLATFORM, 9, "the registry of the image {} does not answer as it should"),
    Cause("wrong-architecture", Kin.RELEASE, 9, "the program in the image is for another processor", _IMAGE, _set("command", "scheduling")),
    Cause("command", Kin.RELEASE, 8, "the program that the container is to start cannot be run{}", _set("command"), _IMAGE),
    Cause("missing-object", Kin.RELEASE, 9, "{} is not there", named=True, explains=_set("reference", "env", "mount", "object", "config", "secret", "account", "claim", "image")),
    Cause("missing-key", Kin.RELEASE, 9, "{} is not there", named=True, explains=_set("reference", "env", "mount", "object", "config", "secret")),
    Cause("quota", Kin.PLATFORM, 9, "the quota {} has no room for the pods", _set("resources", "quota"), _set("replicas", "strategy")),
    Cause("denied", Kin.RELEASE, 9, "the cluster's policy refuses the pods: {}", _set("security"), _CODE | _set("resources", "account", "ports", "scheduling")),
    Cause("webhook-down", Kin.PLATFORM, 9, "the admission webhook {} does not answer, so that no pod can be made"),
    Cause("no-room", Kin.PLATFORM, 7, "no node takes the pods{}", _set("resources", "scheduling"), _set("replicas", "mount")),
    Cause("volume", Kin.PLATFORM, 8, "a volume cannot be mounted{}", _set("mount", "claim")),
    Cause("volume-held", Kin.PLATFORM, 8, "a volume is held by another node{}", _set("strategy"), _set("mount", "replicas")),
    Cause("claim-pending", Kin.PLATFORM, 8, "the claim {} has no volume", _set("claim"), _set("mount")),
    Cause("node", Kin.PLATFORM, 9, "nodes are in trouble{}"),
    # What begins, and ends or fails.
    Cause("hook", Kin.RELEASE, 8, "the hook {} failed", _set("hook"), _IMAGE | _set("config", "secret")),
    Cause("out-of-memory", Kin.RELEASE, 8.5, "a container needs more memory than it may have", _set("resources"), _CODE),
    Cause("config-missing", Kin.RELEASE, 8, "the configuration lacks {}", _set("env", "config", "secret", "reference"), _set("image", "command", "mount")),
    Cause("code-missing", Kin.RELEASE, 8, "the image lacks code that it needs{}", _IMAGE, _set("command", "mount", "env")),
    Cause("port-in-use", Kin.RELEASE, 8, "a port is taken already{}", _set("ports"), _CODE),
    Cause("read-only", Kin.RELEASE, 8, "the program writes to a file system that is read-only", _set("security", "mount"), _IMAGE | _set("command", "env")),
    Cause("permission", Kin.RELEASE, 7.5, "the program is not permitted to do what it does", _set("security", "mount", "account"), _IMAGE | _set("command", "env")),
    Cause("native-crash", Kin.RELEASE, 6, "the program crashes in native code{}", _IMAGE, _CODE | _set("resources")),
    Cause("cpu", Kin.RELEASE, 7.5, "the pods are too slow for their startup probe, with little CPU", _set("resources", "probes"), _IMAGE),
    Cause("probe-kills", Kin.RELEASE, 6.5, "a {} probe kills containers that run", _set("probes", "ports"), _CODE | _set("resources"), soft=True),
    Cause("probe", Kin.RELEASE, 5, "the {} probe does not pass although the container runs", _set("probes", "ports"), _CODE, soft=True),
    Cause("ends", Kin.RELEASE, 5, "the program ends by itself without an error, where it is meant to stay", _set("command"), _CODE, soft=True),
    Cause("killed", Kin.RELEASE, 6, "a container is killed from outside (exit 137), as for memory", _set("resources"), _CODE, soft=True),
    # What it depends on.
    Cause("credentials", Kin.DEPENDENCY, 8, "the credentials are refused{}", _set("secret", "reference"), _set("env", "config"), places=CREDENTIAL),
    Cause("database-rights", Kin.DEPENDENCY, 8, "the database user lacks rights{}", _set("secret", "hook"), _set("env", "reference"), places=CREDENTIAL),
    Cause("certificate", Kin.DEPENDENCY, 8, "a TLS certificate is not accepted, as one that has expired", places=r"(?i)tls|cert|ca\b|\.crt|\.pem", explains=_set("secret", "config", "mount", "env")),
    Cause("name-unknown", Kin.DEPENDENCY, 7.5, "a name cannot be resolved{}", _set("network"), _set("env", "config", "secret"), places=ADDRESS),
    Cause("unreachable", Kin.DEPENDENCY, 7, "something that the pods depend on does not answer{}", _set("network"), _set("env", "config", "secret"), places=ADDRESS),
    Cause("saturated", Kin.DEPENDENCY, 7.5, "the database has no connection left", _set("replicas"), _set("env", "config"), places=r"(?i)pool|conn|max|size"),
    Cause("disk-full", Kin.PLATFORM, 8.5, "a disk is full", _set("claim"), _set("mount")),
    # State that did not travel.
    Cause("schema-behind", Kin.SCHEMA, 9, "the code expects a newer schema than the database has: its migration never ran, or not to its end{}", _set("hook"), _IMAGE | _set("command", "env")),
    Cause("schema-ahead", Kin.SCHEMA, 9, "the database is ahead of the code: an older revision meets a newer schema{}"),
    Cause("schema-lost", Kin.SCHEMA, 9, "the database lacks what both revisions expect{}"),
    Cause("history-mismatch", Kin.SCHEMA, 8, "the migrations of the code are not those that the database has seen", _set("hook"), _IMAGE),
    Cause("migration-dirty", Kin.SCHEMA, 9, "a migration broke off half-way and left the database marked as dirty{}"),
    Cause("migration-locked", Kin.DEPENDENCY, 8, "the lock of the migrations is held, as by a migration that was killed"),
    Cause("disk-format", Kin.SCHEMA, 9, "the data on disk are in the format of a newer version{}"),
    Cause("message-format", Kin.SCHEMA, 7, "messages or cached values cannot be read by this code{}", explains=_IMAGE | _set("config", "env")),
    # States that something else usually explains.
    Cause("crash", Kin.RELEASE, 4, "the program ends with an error soon after its start{}", _set("command"), _CODE, vague=True),
    Cause("image", Kin.RELEASE, 5, "the image {} cannot be had", _IMAGE, _set("reference"), vague=True),
    Cause("not-started", Kin.RELEASE, 4, "a container cannot be started{}", _set("command", "mount", "security"), _CODE, vague=True),
    Cause("deadline", Kin.RELEASE, 1, "the rollout exceeded its deadline", _set("strategy"), _CODE | _set("probes", "resources"), vague=True),
)  # fmt: skip
CAUSES = {row.id: row for row in _ROWS}

# id of a log signature, else its meaning, else its family -> cause; those of the schema are told apart by direction.
SIGNATURE_CAUSES = {
    "DB_AUTH": "credentials",
    "DB_RIGHTS": "database-rights",
    "DNS": "name-unknown",
    "DB_UNREACHABLE": "unreachable",
    "DB_SATURATED": "saturated",
    "TLS_CERTIFICATE": "certificate",
    "DISK_FULL": "disk-full",
    "CONFIG_MISSING": "config-missing",
    "JVM_OOM": "out-of-memory",
    "EXEC_FORMAT": "wrong-architecture",
    "CODE_MISSING": "code-missing",
    "PORT_IN_USE": "port-in-use",
    "READ_ONLY": "read-only",
    "PERMISSION": "permission",
    "lock": "migration-locked",
    "dirty": "migration-dirty",
    "db_ahead": "schema-ahead",
    "db_ahead_warning": "schema-ahead",
    "db_behind": "schema-behind",
    "history_mismatch": "history-mismatch",
    "irreversible": "schema-ahead",
    "binary_downgrade": "disk-format",
    "cache": "message-format",
    "kafka": "message-format",
    "schema": "schema",
    "migrator_or_schema": "schema",
    "migrator": "history-mismatch",
}
"""What is "schema" here becomes schema-behind or schema-ahead."""


def cause_of_signature(signature: str, family: str, meaning: str) -> str:
    """The cause behind a known log line; "" where it points to none."""
    return next((SIGNATURE_CAUSES[key] for key in (signature, meaning, family) if key in SIGNATURE_CAUSES), "")
