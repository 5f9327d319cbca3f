"""What will not travel back, as it was at one moment: schema, keys, topics, configuration, images, boot times. Pure.

No data and no secrets: names, types, counts and hashes only.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from helm_safe.model.migrated import Ledger
from helm_safe.model.schema import Schema
from helm_safe.model.times import parse_time

FORMAT = 1
MAX_BYTES = 200 * 1024
"""Of the compressed snapshot, as it is stored."""
_MAX_DECODED = 32 * 1024 * 1024


class BadPhotograph(ValueError):
    """It cannot be read; the message says why, to follow "the snapshot"."""


class DatabaseState(NamedTuple):
    """server: product and version. ledgers: of every migration tool that left a history."""

    server: str
    schema: Schema
    ledgers: tuple[Ledger, ...] = ()

    def to_json(self) -> dict[str, Any]:
        ledgers = [each.to_json() for each in self.ledgers]
        return {"server": self.server, "schema": self.schema.to_json(), "ledgers": ledgers}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> DatabaseState:
        ledgers = tuple(Ledger.from_json(each) for each in body["ledgers"])
        return cls(str(body["server"]), Schema.from_json(body["schema"]), ledgers)


class Family(NamedTuple):
    """Redis keys with one prefix. kinds: type/encoding; formats: how values begin (json, pickle, ...); expiring: share
    with a time to live, in percent. seen: how many of them were.
    """

    kinds: tuple[str, ...]
    formats: tuple[str, ...]
    expiring: int
    seen: int


class RedisState(NamedTuple):
    """keys: how many there are in all; sampled: how many were looked at; whole: whether those were all."""

    server: str
    keys: int
    sampled: int
    whole: bool
    families: Mapping[str, Family]

    def to_json(self) -> dict[str, Any]:
        body = self._asdict()
        return {**body, "families": {name: list(each) for name, each in self.families.items()}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> RedisState:
        families = {
            str(name): Family(tuple(row[0]), tuple(row[1]), int(row[2]), int(row[3]))
            for name, row in body["families"].items()
        }
        return cls(str(body["server"]), int(body["keys"]), int(body["sampled"]), bool(body["whole"]), families)


class Topic(NamedTuple):
    """end: sum of the end offsets of all partitions."""

    partitions: int
    end: int


class Group(NamedTuple):
    """A consumer group: state in Kafka's words, protocol (its assignor), lag over all topics, and what it reads."""

    state: str
    protocol: str
    lag: int
    topics: tuple[str, ...]


class Subject(NamedTuple):
    """A subject of the Schema Registry: newest version, its type, and the compatibility in force."""

    version: int
    kind: str
    compatibility: str


class KafkaState(NamedTuple):
    topics: Mapping[str, Topic]
    groups: Mapping[str, Group]
    subjects: Mapping[str, Subject]
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "topics": {name: list(each) for name, each in self.topics.items()},
            "groups": {name: [*each[:3], list(each.topics)] for name, each in self.groups.items()},
            "subjects": {name: list(each) for name, each in self.subjects.items()},
            "leftOut": self.left_out,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> KafkaState:
        topics = {str(name): Topic(int(row[0]), int(row[1])) for name, row in body["topics"].items()}
        groups = {
            str(name): Group(str(row[0]), str(row[1]), int(row[2]), tuple(row[3]))
            for name, row in body["groups"].items()
        }
        subjects = {str(name): Subject(int(row[0]), str(row[1]), str(row[2])) for name, row in body["subjects"].items()}
        return cls(topics, groups, subjects, int(body.get("leftOut", 0)))


@dataclass(frozen=True, slots=True)
class Photograph:
    """taken: when. revision, content: of the release that ran then. config: hash of each ConfigMap and Secret outside
    the release that its pods read. images: what really ran, by container image. boots: seconds from the start of a
    container until its pod was ready, the slowest of each workload. unread: what could not be photographed, and why.
    """

    taken: datetime
    revision: int
    content: str
    database: DatabaseState | None = None
    redis: RedisState | None = None
    kafka: KafkaState | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    boots: Mapping[str, float] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "taken": self.taken.isoformat(),
            "revision": self.revision,
            "content": self.content,
            "database": self.database.to_json() if self.database else None,
            "redis": self.redis.to_json() if self.redis else None,
            "kafka": self.kafka.to_json() if self.kafka else None,
            "config": dict(self.config),
            "images": dict(self.images),
            "boots": dict(self.boots),
            "unread": dict(self.unread),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Photograph:
        """The inverse of to_json. Raises BadPhotograph for a newer format, and for one that is damaged."""
        try:
            if int(body["format"]) > FORMAT:
                raise BadPhotograph(f"has format {body['format']}, newer than this helm-safe understands")
            return cls(
                taken=_moment(body["taken"]),
                revision=int(body["revision"]),
                content=str(body["content"]),
                database=DatabaseState.from_json(body["database"]) if body["database"] else None,
                redis=RedisState.from_json(body["redis"]) if body["redis"] else None,
                kafka=KafkaState.from_json(body["kafka"]) if body["kafka"] else None,
                config=dict(body["config"]),
                images=dict(body["images"]),
                boots={str(name): float(value) for name, value in body["boots"].items()},
                unread=dict(body["unread"]),
            )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise BadPhotograph(f"is damaged ({type(error).__name__})") from error

    def encode(self) -> str:
        """As the data of a Secret wants it: JSON, compressed, in base64. Raises BadPhotograph when it is too large."""
        packed = base64.b64encode(gzip.compress(json.dumps(self.to_json(), separators=(",", ":")).encode(), mtime=0))
        if len(packed) > MAX_BYTES:
            raise BadPhotograph(f"would take {len(packed) // 1024} KB, more than {MAX_BYTES // 1024} KB")
        return packed.decode()

    @classmethod
    def decode(cls, data: str) -> Photograph:
        """The inverse of encode. Raises BadPhotograph."""
        try:
            # bounded, like all that is unpacked
            raw = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(base64.b64decode(data), _MAX_DECODED)
            body = json.loads(raw)
        except (ValueError, zlib.error, RecursionError) as error:
            raise BadPhotograph(f"is damaged or was cut off ({type(error).__name__})") from error
        if not isinstance(body, dict):
            raise BadPhotograph("is no JSON object")
        return cls.from_json(body)


def _moment(text: Any) -> datetime:
    found = parse_time(str(text))
    if found is None:
        raise BadPhotograph("does not say when it was taken")
    return found


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the state that does not travel back. asked: kinds that were to be read ("database", "redis",
    "kafka"). now: as it is. then: the photograph of the target's content, None where there is none; spoiled: why one
    that there is cannot be read. unread: kind -> why it could not be read.
    """

    asked: frozenset[str] = frozenset()
    now: Photograph | None = None
    then: Photograph | None = None
    spoiled: str = ""
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def database(self) -> DatabaseState | None:
        return self.now.database if self.now else None

    @property
    def database_then(self) -> DatabaseState | None:
        return self.then.database if self.then else None
