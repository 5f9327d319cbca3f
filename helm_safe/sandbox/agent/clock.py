"""The agent's only clock: the event loop's time, and the wall clock that belongs to it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone


class Clock:
    """Seconds of the running loop and the wall time derived from them, so that a loop with its own time rules both."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoch = datetime.now(timezone.utc) - timedelta(seconds=self._loop.time())

    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    def wall(self, at: float | None = None) -> datetime:
        """The wall time (UTC) of a moment of `now`, by default this one."""
        return self._epoch + timedelta(seconds=self._loop.time() if at is None else at)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def stamp(moment: datetime) -> str:
    """RFC 3339 with whole seconds, as `metav1.Time` is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(moment: datetime) -> str:
    """RFC 3339 with microseconds, as `metav1.MicroTime` and log lines are written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
