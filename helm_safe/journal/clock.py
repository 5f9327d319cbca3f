"""The real Clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class SystemClock:
    """Implements ports.Clock on the machine's clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)  # noqa: TID251 - the one place

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: TID251 - the one place
