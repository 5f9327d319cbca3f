"""The judge of a step: an absolute floor, and not worse than the version that serves now; no data is never a pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Resolved
from helm_safe.model.proportions import binomial_tail, fisher_tail
from helm_safe.model.traffic import Window

ALPHA = 0.01
EARLY = ALPHA / 10
"""Stricter before the minimum of samples: whoever looks often is fooled often."""
FEWEST_ERRORS = 3
"""Fewer failed requests than this never fail a step: one is an accident of the network."""
ERROR_EFFECT = 0.01
"""Smallest difference of failed shares that matters to people (one point)."""
SLOW_EFFECT = 0.05
"""Smallest difference of slow shares that matters."""
SLOWER = 1.5
"""How much slower than the other's 95th percentile an answer must be to count as slow."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What must hold whatever the current version does.

    success_rate: 0..1, answers that are no 5xx. p95: seconds, None for none: what is slow differs by service, so only
    the comparison judges it until somebody says. minimum: requests below which nothing is passed.
    """

    success_rate: float = 0.99
    p95: float | None = None
    minimum: int = 75


def floors_of(settings: Resolved) -> Floors:
    """The floors that flags, policy and annotations ask for."""
    return Floors(
        settings.value("gates.success-rate"), settings.value("gates.p95"), settings.value("gates.minimum-requests")
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """verdict, the sentence for people and the numbers for machines (finite, None where unknown).

    both_bad: both miss a floor, and the target is not clearly the better one: a rollback does not help. better: it
    passes, and is better than the other beyond chance: nobody needs to wait for more. lacking: requests below the
    minimum, with nothing bad among those that came.
    """

    verdict: Verdict
    sentence: str
    numbers: dict[str, float | None] = field(default_factory=dict)
    both_bad: bool = False
    better: bool = False
    lacking: int = 0


def judge(
    canary: Window | None,
    stable: Window | None,
    floors: Floors,
    *,
    baseline: Window | None = None,
    beside: str = "the current version",
) -> Judgement:
    """Judge the backend under trial.

    stable: the backend that serves the other users; None at 100 %, where `baseline`, the last window of the step
    before, takes its place. beside: what to call it. A failure of many requests is told before the minimum of samples
    is reached.
    """
    if canary is None:
        return Judgement(Verdict.INCONCLUSIVE, "no metrics came in")
    other, who = (stable, beside) if stable else (baseline, "the step before")
    numbers = _numbers(canary, other)
    failure = next(_failures(canary, other, who, floors), "")
    if failure:
        below = stable is not None and "" not in (_below(canary, floors), _below(stable, floors))
        better = below and stable is not None and _clearly_better(canary, stable)
        return Judgement(Verdict.FAIL, failure + _consequence(below, better), numbers, below and not better)
    verdict, sentence = _passed(canary, other, who, floors)
    better = verdict is Verdict.PASS and other is not None and _clearly_better(canary, other)
    lacking = max(0, floors.minimum - math.floor(canary.requests)) if not canary.errors else 0
    return Judgement(verdict, sentence, numbers, better=better, lacking=lacking)


def time_to_decision(rate: float, share: float, minimum: int) -> float:
    """Seconds until `share` (0..1) of `rate` requests per second gave `minimum` of them; infinite without traffic."""
    return minimum / (rate * share) if rate > 0 and share > 0 else math.inf


def decision_words(rate: float, share: float, minimum: int) -> str:
    """The same for people: "1 % of 20 requests/s: about 6 minutes"."""
    seconds = time_to_decision(rate, share, minimum)
    told = f"{share * 100:g} % of {rate:.3g} requests/s"
    if math.isinf(seconds):
        return f"{told}: no decision without traffic"
    if seconds < 90:
        return f"{told}: about {math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{told}: about {minutes} minutes" if minutes < 90 else f"{told}: about {minutes / 60:.0f} hours"


def _passed(canary: Window, other: Window | None, who: str, floors: Floors) -> tuple[Verdict, str]:
    """Nothing is known to be bad: is enough known to be good?"""
    if canary.requests < floors.minimum:
        found = f"{canary.requests:.0f} requests so far, {floors.minimum} are needed"
        return (
            Verdict.INCONCLUSIVE,
            found if canary.requests else f"no requests reached it, {floors.minimum} are needed",
        )
    below = _below(canary, floors)
    if below:
        return Verdict.INCONCLUSIVE, f"{below}, which may be chance: more requests must tell"
    compared = f", not worse than {who}" if other and other.requests else ""
    p95 = canary.quantile(0.95)
    took = f", p95 {_duration(p95, canary)}" if p95 is not None else ""
    return Verdict.PASS, f"{_share(canary)} of {canary.requests:.0f} requests failed{took}{compared}"


def _failures(canary: Window, other: Window | None, who: str, floors: Floors) -> Iterator[str]:
    """What is bad beyond chance, the floor first."""
    alpha = ALPHA if canary.requests >= floors.minimum else EARLY
    errors, requests = round(canary.errors), round(canary.requests)
    allowed = 1 - floors.success_rate
    if errors >= FEWEST_ERRORS and binomial_tail(errors, requests, allowed) < alpha:
        yield f"{_share(canary)} of {requests} requests failed, {allowed * 100:.3g} % are allowed"
    slow = _slow_against_floor(canary, floors.p95)
    if slow:
        timed = round(canary.timed)
        if slow >= FEWEST_ERRORS and binomial_tail(round(slow), timed, 0.05) < alpha:
            yield f"p95 is {_duration(canary.quantile(0.95), canary)}, at most {floors.p95:g} s is allowed"
    if other and other.requests and _more_errors(canary, other, alpha):
        yield f"{_share(canary)} of {requests} requests failed, with {who} {_share(other)}"
    if other and _slower(canary, other, alpha):
        yield (
            f"p95 is {_duration(canary.quantile(0.95), canary)}, with {who} {_duration(other.quantile(0.95), other)}"
        )


def _more_errors(one: Window, other: Window, alpha: float) -> bool:
    """Whether the first fails a larger share, beyond chance and by enough to matter."""
    if one.errors < FEWEST_ERRORS or (one.error_share or 0) - (other.error_share or 0) < ERROR_EFFECT:
        return False
    counts = (round(value) for value in (one.errors, one.requests, other.errors, other.requests))
    return fisher_tail(*counts) < alpha


def _slower(canary: Window, other: Window, alpha: float) -> bool:
    """Whether more of its answers are slow, where slow is well above the other's 95th percentile.

    Only answers without error are timed: a version that fails fast is not a quick one.
    """
    bound = _bound_above((other.quantile(0.95) or 0) * SLOWER, canary, other)
    if bound is None or other.timed < FEWEST_ERRORS:
        return False
    slow, slow_other = canary.slower_than(bound), other.slower_than(bound)
    if slow < FEWEST_ERRORS or slow / canary.timed - slow_other / other.timed < SLOW_EFFECT:
        return False
    return fisher_tail(round(slow), round(canary.timed), round(slow_other), round(other.timed)) < alpha


def _bound_above(seconds: float, one: Window, other: Window) -> float | None:
    """The smallest finite bound of both histograms that is not below `seconds`."""
    shared = {bound for bound, _ in one.buckets} & {bound for bound, _ in other.buckets}
    return min((bound for bound in shared if seconds <= bound < math.inf), default=None)


def _slow_against_floor(canary: Window, p95: float | None) -> float:
    """Answers that certainly took longer than the floor: those above the next bound; without one above, the last."""
    if p95 is None or not canary.timed:
        return 0.0
    finite = [bound for bound, _ in canary.buckets if bound < math.inf]
    bound = min((each for each in finite if each >= p95), default=max(finite, default=None))
    return canary.slower_than(bound) if bound is not None else 0.0


def _below(window: Window, floors: Floors) -> str:
    """Which floor the plain numbers miss, "" for none; chance is not weighed."""
    if window.error_share is not None and window.error_share > 1 - floors.success_rate + 1e-12:
        return f"{_share(window)} of {window.requests:.0f} requests failed"
    p95 = window.quantile(0.95)
    if floors.p95 is not None and p95 is not None and p95 > floors.p95:
        return f"p95 is {_duration(p95, window)}"
    return ""


def _clearly_better(canary: Window, stable: Window) -> bool:
    return _more_errors(stable, canary, ALPHA) or _slower(stable, canary, ALPHA)


def _consequence(both_below: bool, better: bool) -> str:
    if not both_below:
        return ""
    if better:
        return "; better than the current version, and still not good"
    return "; the current version is bad too: a rollback does not help"


def _share(window: Window) -> str:
    return f"{100 * (window.error_share or 0):.3g} %"


def _duration(seconds: float | None, window: Window) -> str:
    """The 95th percentile for people; above the last bound only that is known."""
    if seconds is None:
        return "unknown"
    if math.isinf(seconds):
        last = max((bound for bound, _ in window.buckets if bound < math.inf), default=0.0)
        return f"above {last:g} s"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _numbers(canary: Window, other: Window | None) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, window in (("canary", canary), ("other", other)):
        if window is not None:
            p95 = window.quantile(0.95)
            found[f"{name}_requests"] = window.requests
            found[f"{name}_errors"] = window.errors
            found[f"{name}_error_share"] = window.error_share
            found[f"{name}_p95"] = p95 if p95 is not None and math.isfinite(p95) else None
    return found
