"""Looking again and again without being fooled: every test of a run spends a part of one chance of a wrong stop."""

from __future__ import annotations

from dataclasses import dataclass

WRONG_STOPS = 0.01
"""Chance that a whole run over healthy versions is stopped by accident, whatever the number of steps and looks."""
GROWTH = 1.3
"""A test is repeated once there are so many times more samples: looking sooner would spend, and tell little new."""


@dataclass
class Looks:
    """The looks of one step at one growing sample.

    alpha: chance of a wrong stop over all of them; the k-th look spends 1/(k(k+1)) of it, which sums up to the whole.
    taken: looks so far. samples: how many there were at the last one.
    """

    alpha: float
    taken: int = 0
    samples: float = 0.0

    def due(self, samples: float, *, last: bool = False) -> float:
        """What a test may spend now, 0 where it is not due. last: take a look anyhow, before the step is passed."""
        if samples <= 0 or (samples < GROWTH * self.samples and not (last and samples > self.samples)):
            return 0.0
        self.taken, self.samples = self.taken + 1, samples
        return self.alpha / (self.taken * (self.taken + 1))

    def restart(self) -> None:
        """The samples begin anew; what was spent stays spent."""
        self.samples = 0.0


def alpha_of(steps: int, tests: int) -> float:
    """What one test of one step may spend in all, of a run with so many steps and so many tests at each."""
    return WRONG_STOPS / max(steps, 1) / max(tests, 1)
