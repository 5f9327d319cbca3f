"""Moments as Kubernetes writes them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 moment with its zone, None where the text is not one."""
    if len(text) < 20 or not text[0].isdigit():
        return None
    # Python 3.10 reads three or six digits behind the point, runtimes write up to nine.
    plain = _NANOSECONDS.sub(r"\1", text).replace("Z", "+00:00")
    head, point, tail = plain.partition(".")
    if point:
        digits, sign, zone = tail.partition("+") if "+" in tail else tail.partition("-")
        plain = f"{head}.{digits:0<6}{sign}{zone}"
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
