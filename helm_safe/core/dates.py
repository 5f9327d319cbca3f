"""Moments as HTTP headers write them."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


def http_date(text: str) -> datetime | None:
    """The moment that a header such as Date tells; None for anything else."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
