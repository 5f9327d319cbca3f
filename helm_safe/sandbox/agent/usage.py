"""What a make-believe container uses: processor time for each request that it answered lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 15
IDLE_CORES = 0.001
MEMORY = "64Mi"


@dataclass(slots=True)
class Recent:
    """How many requests were answered in each of the last seconds, oldest first."""

    _counts: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, now: float) -> None:
        second = int(now)
        before = self._counts.pop()[1] if self._counts and self._counts[-1][0] == second else 0
        self._counts.append((second, before + 1))
        while self._counts[0][0] <= second - WINDOW:
            self._counts.popleft()

    def cores(self, now: float, *, since: float, cost: float) -> float:
        """Processor cores in use, on average over the last WINDOW seconds, or since the start of a younger process.

        cost: seconds of a core that one request takes.
        """
        count = sum(count for second, count in self._counts if second > now - WINDOW)
        return IDLE_CORES + count * cost / min(WINDOW, max(1.0, now - since))
