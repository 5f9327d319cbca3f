"""A webhook of your own: the notice as JSON, signed, with a key by which a repetition is known."""

from __future__ import annotations

import hashlib
import hmac
import json

from helm_safe.model.incident import Memory, Notice
from helm_safe.notifiers.http import receiver
from helm_safe.notifiers.setup import Setup

SIGNATURE, IDEMPOTENCY = "X-Helm-Safe-Signature", "Idempotency-Key"


class Webhook:
    def __init__(self, setup: Setup) -> None:
        self._key = setup.key
        self._http = receiver(setup, "")

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        self._post("opened", notice, f"{notice.key}/opened")
        return memory

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        self._post("updated", notice, f"{notice.key}/updated/{notice.at.isoformat()}")
        return memory

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        self._post("closed", notice, f"{notice.key}/closed/{notice.run}/{notice.state.value}")
        return memory

    def _post(self, event: str, notice: Notice, once: str) -> None:
        body = json.dumps(notice.to_json(event), separators=(",", ":")).encode()
        headers = {SIGNATURE: signature(self._key, body), IDEMPOTENCY: once.encode("ascii", "replace").decode()}
        self._http.send("POST", "", body, headers=headers)


def signature(key: str, body: bytes) -> str:
    """HMAC-SHA256 over the bytes of the body, as `sha256=` and hexadecimal digits."""
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


def signed(key: str, body: bytes, header: str) -> bool:
    """Whether the header signs the body, in constant time: what a receiver does."""
    return hmac.compare_digest(signature(key, body).encode(), header.encode("utf-8", "replace"))
