"""The kubelet's exponential back-off for restarts and image pulls. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BackOff:
    """Waits before the second and later repetitions: base, twice base, ... up to the cap.

    The first repetition is immediate, as with the kubelet.
    After twice the cap without a repetition the wait starts from the base again.
    base, cap: seconds.
    """

    base: float = 10.0
    cap: float = 300.0
    wait: float = 0.0
    since: float = float("-inf")

    def remaining(self, ended: float, now: float) -> float:
        """Seconds still to wait for what ended at `ended`; 0 means: go."""
        if self.wait == 0.0 or ended - self.since > 2 * self.cap:
            return 0.0
        return max(0.0, ended + self.wait - now)

    def advance(self, ended: float) -> None:
        """Take note of a repetition of what ended at `ended`: the next wait grows."""
        fresh = self.wait == 0.0 or ended - self.since > 2 * self.cap
        self.wait = self.base if fresh else min(2 * self.wait, self.cap)
        self.since = ended


def seconds(wait: float) -> str:
    """A wait as Go prints a duration: 10s, 2m40s, 500ms."""
    if wait < 1:
        return f"{round(wait * 1000)}ms"
    minutes, rest = divmod(round(wait), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
