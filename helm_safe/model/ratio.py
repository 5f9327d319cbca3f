"""Shares that are ratios of ready pods: which of them so many pods can make, said honestly. Pure.

Whoever balances over the endpoints of a Service gives every ready pod the same. With the standby's pods and the
release's own behind one Service, the share of either is its part of them all. One side is always whole, so that at no
step fewer pods serve than were captured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple


class Ratio(NamedTuple):
    """trial: pods of the side under trial. other: of the side that had all users."""

    trial: int
    other: int

    @property
    def share(self) -> float:
        """Percent on the pods under trial."""
        return 100 * self.trial / (self.trial + self.other)


class Move(NamedTuple):
    """One step. asked: the percentages of `--steps` that it stands for. ratios: by workload, "Deployment/api"."""

    asked: tuple[float, ...]
    ratios: Mapping[str, Ratio]

    @property
    def share(self) -> float:
        """Percent on the pods under trial of all workloads together."""
        trial = sum(each.trial for each in self.ratios.values())
        return 100 * trial / (trial + sum(each.other for each in self.ratios.values()))


Choices = Mapping[str, Sequence[Ratio]]
"""What each workload can make, the smallest share first, everybody last."""


def outward(pods: int, *, fixed: bool) -> list[Ratio]:
    """From the release's own pods to as many of a standby.

    fixed: an autoscaler lets the release have all of its pods or none.
    """
    joining = [Ratio(trial, pods) for trial in range(1, pods + 1)]
    leaving = [Ratio(pods, other) for other in range(pods - 1, -1, -1)]
    return joining + (leaving[-1:] if fixed else leaving)


def homeward(standby: int, pods: int, *, fixed: bool) -> list[Ratio]:
    """From the standby to so many restored pods.

    fixed: those come up all at once, and serve as soon as they are ready.
    """
    coming = [Ratio(trial, standby) for trial in range(1, pods + 1)]
    return (coming[-1:] if fixed else coming) + [Ratio(pods, other) for other in range(standby - 1, -1, -1)]


def nearest(wanted: float, choices: Sequence[Ratio]) -> Ratio:
    """The possible share next to the wanted one, of two alike the smaller; everybody only where all is wanted."""
    possible = choices if wanted >= 100 or len(choices) == 1 else choices[:-1]
    return min(possible, key=lambda ratio: (abs(ratio.share - wanted), ratio.share))


def moves(steps: Sequence[float], choices: Choices) -> list[Move]:
    """The steps that can be made: one for all percentages that come to the same."""
    rows = [(step, {name: nearest(step, each) for name, each in choices.items()}) for step in steps]
    groups = [(ratios, list(group)) for ratios, group in groupby(rows, key=lambda row: row[1])]
    return [Move(tuple(step for step, _ in group), ratios) for ratios, group in groups]


def honest(steps: Sequence[float], choices: Choices) -> Iterator[str]:
    """Which shares cannot be had, a sentence for each workload; none where every step is what was asked for."""
    for name, each in choices.items():
        odd = next((step for step in steps if abs(nearest(step, each).share - step) > 1), None)
        if odd is not None:
            pods, words = each[-1].trial, ", ".join(share_words(ratio.share) for ratio in each)
            made = ", ".join(share_words(move.share) for move in moves(steps, {name: each}))
            with_ = f"with {pods} pod{'' if pods == 1 else 's'}"
            yield f"{name}: {odd:g} % needs {_needed(odd)} pods; {with_} it can be {words} %, so the steps are {made} %"


def _needed(step: float) -> int:
    """Pods in all without which such a share cannot be made."""
    return (Fraction(str(step)) / 100).denominator


def share_words(share: float) -> str:
    """A percentage for people, as short as it is true."""
    return f"{share:.0f}" if abs(share - round(share)) < 0.05 else f"{share:.1f}"
