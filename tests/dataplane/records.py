"""Helm's release records, changed by hand: the only way to give a revision a past."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from helm_safe.sandbox.demo.stage import RELEASE, Stage


def read(stage: Stage, number: int) -> dict[str, Any]:
    """The record of one revision, decoded."""
    secret = json.loads(stage.kubectl("get", "secret", _name(number), "-o", "json").stdout)
    payload = gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"])))
    record: dict[str, Any] = json.loads(payload)
    return record


def set_back(stage: Stage, number: int, hours: float) -> None:
    """Make a revision look deployed so many hours ago."""
    record = read(stage, number)
    moment = datetime.now(timezone.utc) - timedelta(hours=hours)
    record["info"]["last_deployed"] = moment.isoformat()
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode()))
    body = {"data": {"release": base64.b64encode(packed).decode()}}
    stage.kubectl("patch", "secret", _name(number), "--type=merge", "-p", json.dumps(body))


def _name(number: int) -> str:
    return f"sh.helm.release.v1.{RELEASE}.v{number}"
