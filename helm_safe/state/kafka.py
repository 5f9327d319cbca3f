"""Topics, consumer groups and registered schemas of a Kafka: counts and names, never a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from helm_safe.core.redact import redact
from helm_safe.model.errors import UsageError
from helm_safe.model.photograph import Group, KafkaState, Subject, Topic
from helm_safe.model.traffic import NoData

SECONDS = 5
MAX_TOPICS = 300
MAX_GROUPS = 200
MAX_SUBJECTS = 200
_ACCEPT = {"Accept": "application/vnd.schemaregistry.v1+json"}
Dial = Callable[[str, int], tuple[str, int]]


def read(address: str, registry: str, dial: Dial) -> KafkaState:
    """What the brokers of `kafka://[USER:PASSWORD@]HOST:PORT[,…]` and a Schema Registry tell.

    Brokers name each other by their advertised addresses, so these must be reachable from here; a Service of the
    cluster is reached for the first contact only. Raises NoData, UsageError where the driver is missing.
    """
    if find_spec("kafka") is None:
        raise UsageError(
            "to read Kafka, the module kafka-python is needed", "Install it: pip install 'helm-safe[kafka]'"
        )
    from kafka.errors import KafkaError

    settings = _settings(address, dial)
    try:
        topics, groups, left_out = _brokers(settings)
        subjects = _subjects(registry, dial) if registry else {}
    except (KafkaError, OSError, ValueError, AssertionError, urllib3.exceptions.HTTPError) as error:
        secret = settings.get("sasl_plain_password")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise NoData(redact(text.replace(str(secret), "***") if secret else text)[:300]) from None
    return KafkaState(topics, groups, subjects, left_out)


def _settings(address: str, dial: Dial) -> dict[str, Any]:
    parts = urlsplit(address if "://" in address else f"kafka://{address}")
    hosts = parts.netloc.rpartition("@")[2].split(",")
    pairs = [(each.rpartition(":")[0] or each, each.rpartition(":")[2]) for each in hosts]
    reached = [dial(host, int(port) if port.isdigit() else 9092) for host, port in pairs]
    found: dict[str, Any] = {
        "bootstrap_servers": [f"{host}:{port}" for host, port in reached],
        "client_id": "helm-safe",
        "request_timeout_ms": SECONDS * 1000,
        "bootstrap_timeout_ms": SECONDS * 1000,
    }
    if parts.username:
        found |= {
            "security_protocol": "SASL_SSL" if "ssl" in parts.query else "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": parts.username,
            "sasl_plain_password": parts.password or "",
        }
    return found


def _brokers(settings: dict[str, Any]) -> tuple[dict[str, Topic], dict[str, Group], int]:
    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**settings, enable_auto_commit=False, consumer_timeout_ms=SECONDS * 1000)
    admin = KafkaAdminClient(**settings)
    try:
        names = sorted(name for name in consumer.topics() if not name.startswith("__"))
        kept = names[:MAX_TOPICS]
        parts = {name: sorted(consumer.partitions_for_topic(name) or ()) for name in kept}
        every = [TopicPartition(name, number) for name, numbers in parts.items() for number in numbers]
        ends = consumer.end_offsets(every) if every else {}
        topics = {
            name: Topic(len(numbers), sum(ends.get(TopicPartition(name, number), 0) for number in numbers))
            for name, numbers in parts.items()
        }
        return topics, _groups(admin, ends), len(names) - len(kept)
    finally:
        consumer.close()
        admin.close()


def _groups(admin: Any, ends: dict[Any, int]) -> dict[str, Group]:
    names = sorted(str(row["group_id"]) for row in admin.list_groups())[:MAX_GROUPS]
    if not names:
        return {}
    offsets, described = admin.list_group_offsets(names), admin.describe_groups(names)
    return {name: _group(offsets.get(name) or {}, described.get(name) or {}, ends) for name in names}


def _group(offsets: dict[Any, Any], described: dict[str, Any], ends: dict[Any, int]) -> Group:
    """ends: of the topics that were read; the lag is over those."""
    lag = sum(max(0, ends[part] - int(each.offset)) for part, each in offsets.items() if part in ends)
    state = str(described.get("group_state") or described.get("state") or "")
    protocol = str(described.get("protocol_data") or described.get("protocol") or "")
    return Group(state, protocol, lag, tuple(sorted({str(part.topic) for part in offsets})))


def _subjects(registry: str, dial: Dial) -> dict[str, Subject]:
    """The newest version of each subject and the compatibility in force, by the registry's own interface."""
    parts = urlsplit(registry)
    host, port = dial(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 8081))
    base = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
    headers = dict(_ACCEPT)
    if parts.username:
        headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
    with urllib3.PoolManager(headers=headers, timeout=SECONDS, retries=False) as pool:
        names = _get(pool, f"{base}/subjects")
        wanted = sorted(str(name) for name in names)[:MAX_SUBJECTS] if isinstance(names, list) else []
        return {name: _subject(pool, base, name) for name in wanted}


def _subject(pool: urllib3.PoolManager, base: str, name: str) -> Subject:
    newest = _get(pool, f"{base}/subjects/{quote(name, safe='')}/versions/latest")
    config = _get(pool, f"{base}/config/{quote(name, safe='')}?defaultToGlobal=true")
    version = int(newest.get("version", 0)) if isinstance(newest, dict) else 0
    kind = str(newest.get("schemaType") or "AVRO") if isinstance(newest, dict) else ""
    return Subject(version, kind, str(config.get("compatibilityLevel") or "") if isinstance(config, dict) else "")


def _get(pool: urllib3.PoolManager, url: str) -> Any:
    answer = pool.request("GET", url)
    if answer.status >= 400:
        raise ValueError(f"the registry answered {answer.status}")
    return json.loads(answer.data[: 8 * 1024 * 1024])
