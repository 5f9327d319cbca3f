"""Families of Redis keys by a bounded SCAN: types, encodings, times to live, and how values begin. Never a value."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from helm_safe.core.redact import redact
from helm_safe.model.errors import UsageError
from helm_safe.model.photograph import Family, RedisState
from helm_safe.model.traffic import NoData

MAX_KEYS = 2000
"""Keys that are looked at; the snapshot tells how many there are."""
MAX_FAMILIES = 200
SECONDS = 5.0
_BATCH = 200
_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\xac\xed\x00\x05", "Java serialization"),
    (b"\x80\x04", "pickle"),
    (b"\x80\x05", "pickle"),
    (b"\x04\x08", "Ruby Marshal"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"O:", "PHP"),
    (b"a:", "PHP"),
)


def read(address: str, dial: Callable[[str, int], tuple[str, int]], _now: Callable[[], datetime]) -> RedisState:
    """What a Redis holds, by a sample. Raises NoData where it cannot be asked, UsageError where its driver is"
    " missing.
    """
    if find_spec("redis") is None:
        raise UsageError(
            "to read Redis, the Python module redis is needed", "Install it: pip install 'helm-safe[redis]'"
        )
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    client = Redis.from_url(
        _dialled(address, dial),
        socket_connect_timeout=SECONDS,
        socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="helm-safe",
    )
    try:
        return _read(client)
    except (RedisError, OSError, ValueError) as error:
        secret = urlsplit(address).password
        text = " ".join(str(error).split())
        raise NoData(redact(text.replace(secret, "***") if secret else text)[:300]) from None
    finally:
        client.close()


def _dialled(address: str, dial: Callable[[str, int], tuple[str, int]]) -> str:
    parts = urlsplit(address)
    host, port = dial(parts.hostname or "localhost", parts.port or 6379)
    credentials = parts.netloc.rpartition("@")[0]
    where = f"{credentials}@{host}:{port}" if credentials else f"{host}:{port}"
    return urlunsplit(parts._replace(netloc=where))


class _Seen(NamedTuple):
    family: str
    kind: str
    form: str
    expires: bool


def _read(client: Any) -> RedisState:
    server = client.info("server")
    deadline = time.monotonic() + SECONDS
    seen: list[_Seen] = []
    cursor, whole = 0, False
    while len(seen) < MAX_KEYS and time.monotonic() < deadline:
        cursor, keys = client.scan(cursor, count=_BATCH)
        seen += _look(client, keys[: MAX_KEYS - len(seen)])
        whole = cursor == 0
        if whole:
            break
    version = f"redis {server.get('redis_version', '')}".strip()
    return RedisState(version, int(client.dbsize()), len(seen), whole, _families(seen))


def _look(client: Any, keys: Iterable[bytes]) -> list[_Seen]:
    """Type, encoding, time to live and first bytes of each key, in one round trip for all of them and one for each."""
    wanted = list(keys)
    pipe = client.pipeline(transaction=False)
    for key in wanted:
        pipe.type(key)
        pipe.ttl(key)
        pipe.object("ENCODING", key)
    answers = pipe.execute(raise_on_error=False)
    rows = list(zip(wanted, answers[0::3], answers[1::3], answers[2::3], strict=True))
    texts = [key for key, kind, *_ in rows if kind == b"string"]
    begin = client.pipeline(transaction=False)
    for key in texts:
        begin.getrange(key, 0, 5)
    begins = dict(zip(texts, begin.execute(raise_on_error=False), strict=True)) if texts else {}
    return [
        _Seen(family_of(key), _kind(kind, encoding), form_of(begins.get(key)), isinstance(ttl, int) and ttl >= 0)
        for key, kind, ttl, encoding in rows
        if isinstance(kind, bytes) and kind != b"none"  # it expired since it was listed
    ]


def _kind(kind: bytes, encoding: object) -> str:
    """How values are encoded depends on their length, so only the type of strings counts."""
    name = kind.decode()
    return name if name == "string" or not isinstance(encoding, bytes) else f"{name}/{encoding.decode()}"


def family_of(key: bytes) -> str:
    """The key's beginning with everything that looks like an id replaced: "session:8f3a" -> "session:*"."""
    text = key.decode("utf-8", "replace")
    parts = re.split(r"([:./|])", text)
    kept = [
        each if each in ":./|" or re.fullmatch(r"[A-Za-z][A-Za-z_-]{0,30}(?:v?\d{1,2})?", each) else "*"
        for each in parts
    ]
    words = "".join(kept)
    return words if "*" in words or len(parts) == 1 else "".join(kept[:-1]) + "*"


def form_of(begin: object) -> str:
    """What a value is, by its first bytes; "" for one that begins like none that is known."""
    if not isinstance(begin, bytes):
        return ""
    return next((name for magic, name in _FORMATS if begin.startswith(magic)), "text" if begin.isascii() else "binary")


def _families(seen: Iterable[_Seen]) -> dict[str, Family]:
    grouped: dict[str, list[_Seen]] = defaultdict(list)
    for each in seen:
        grouped[each.family].append(each)
    largest = sorted(grouped.items(), key=lambda row: (-len(row[1]), row[0]))[:MAX_FAMILIES]
    return {name: _family(rows) for name, rows in sorted(largest)}


def _family(rows: list[_Seen]) -> Family:
    return Family(
        kinds=tuple(sorted({each.kind for each in rows})),
        formats=tuple(sorted({each.form for each in rows if each.form})),
        expiring=round(100 * sum(each.expires for each in rows) / len(rows)),
        seen=len(rows),
    )
