"""The payload of a release record: base64 and gzip around JSON, decoded with bounds."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

LIMIT = 64 * 1024 * 1024  # bytes of JSON; an API object holds 1 MiB, which gzip could blow up to 1 GiB
GZIP_MAGIC = b"\x1f\x8b\x08"
GZIP_WINDOW = 31  # zlib's way of saying: a gzip header, 32 KiB window, checksum verified


class UndecodableError(ValueError):
    """The payload is no release record; the message says which layer broke."""


def decode(field: str, *, layers: int) -> dict[str, Any]:
    """The JSON body of a record. layers: how often it is base64 encoded (Secret 2, ConfigMap 1).

    Raises UndecodableError.
    """
    raw = field.encode("ascii", "replace")
    for _ in range(layers):
        raw = _unbase64(raw)
    return _parse(_inflate(raw) if raw.startswith(GZIP_MAGIC) else raw)


def _unbase64(raw: bytes) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise UndecodableError(f"the payload is not base64 ({error})") from error


def _inflate(raw: bytes) -> bytes:
    machine = zlib.decompressobj(GZIP_WINDOW)
    try:
        text = machine.decompress(raw, LIMIT + 1)
    except zlib.error as error:
        raise UndecodableError("the payload is damaged: gzip cannot be unpacked") from error
    if len(text) > LIMIT:
        raise UndecodableError(f"the payload unpacks to more than {LIMIT >> 20} MiB")
    if not machine.eof:
        raise UndecodableError("the payload is cut off: gzip ends too early")
    return text


def _parse(raw: bytes) -> dict[str, Any]:
    if len(raw) > LIMIT:
        raise UndecodableError(f"the payload is larger than {LIMIT >> 20} MiB")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UndecodableError("the payload is not JSON") from error
    if not isinstance(body, dict):
        raise UndecodableError("the payload is JSON, but not an object")
    return body
