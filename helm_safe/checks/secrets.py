"""Content of ConfigMaps and Secrets, as hashes and keys: values never leave these functions."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as BadBase64

from helm_safe.core.objects import Object, mapping


def secret_hashes(obj: Object) -> dict[str, str]:
    """Key -> "sha256:…" of the decoded value of a Secret's manifest; stringData wins, as on the API server."""
    hashes = {}
    for key, value in mapping(obj, "data").items():
        raw = _decoded(value)
        if raw is not None:
            hashes[str(key)] = _hash(raw)
    for key, value in mapping(obj, "stringData").items():
        hashes[str(key)] = _hash(str(value).encode())
    return hashes


def live_hashes(obj: Object) -> dict[str, str]:
    """The same for a live Secret, whose values a snapshot has already replaced by their hashes."""
    return {str(key): str(value) for key, value in mapping(obj, "data").items()}


def keys_of(obj: Object) -> set[str]:
    """The keys of a ConfigMap or Secret."""
    return {str(key) for field in ("data", "stringData", "binaryData") for key in mapping(obj, field)}


def content(obj: Object) -> tuple[object, ...]:
    """What pods see of a ConfigMap or Secret, comparable between two manifests."""
    if obj.get("kind") == "Secret":
        return (secret_hashes(obj),)
    return (mapping(obj, "data"), mapping(obj, "binaryData"))


def _decoded(value: object) -> bytes | None:
    try:
        return b64decode(str(value), validate=False)
    except (BadBase64, ValueError):
        return None


def _hash(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()
