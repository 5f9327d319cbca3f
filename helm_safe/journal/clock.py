"""The real Clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone

# It goes on while the process is stopped and while the machine sleeps, so that whoever wakes finds its Lease expired.
# Python's own time.monotonic stands still during sleep, on Linux (where BOOTTIME does not) and on macOS.
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Implements ports.Clock on the machine's clocks."""

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)

    def now(self) -> datetime:
        return datetime.now(timezone.utc)  # noqa: TID251 - the one place

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: TID251 - the one place
