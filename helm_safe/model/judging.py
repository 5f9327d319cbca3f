"""The judge of a step: an absolute floor, and not worse than the version that serves now; no data is never a pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from helm_safe.model.gates import GateState, span_words, worst
from helm_safe.model.machine import Verdict
from helm_safe.model.policy import Resolved
from helm_safe.model.proportions import binomial_tail, fisher_tail
from helm_safe.model.ranks import LARGE, mann_whitney
from helm_safe.model.traffic import Window

ALPHA = 0.01
FEWEST_ERRORS = 3
"""Fewer failed requests than this never fail a step: one is an accident of the network."""
FEWEST_TIMED = 20
"""Answers below which ranks of buckets tell nothing: the test is an approximation."""
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
    """verdict, and the sentence for people.

    both_bad: both miss a floor, and the target is not clearly the better one. no_help: how the current version compares
    where it is no worse: a rollback does not help then; "" otherwise. better: it passes, and is better than the other
    beyond chance: nobody needs to wait for more. lacking: requests below the minimum, with nothing bad among those that
    came. gates: success rate and latency, each for itself.
    """

    verdict: Verdict
    sentence: str
    both_bad: bool = False
    no_help: str = ""
    better: bool = False
    lacking: int = 0
    gates: tuple[GateState, ...] = ()


def judge(
    canary: Window | None,
    stable: Window | None,
    floors: Floors,
    *,
    baseline: Window | None = None,
    earlier: Window | None = None,
    beside: str = "the current version",
    alpha: float = ALPHA,
) -> Judgement:
    """Judge the backend under trial.

    stable: the backend that serves the other users; None at 100 %, where `baseline`, the last window of the step
    before, takes its place. earlier: how the current version fared while it still had users; at 100 % it tells whether
    a failure means that a rollback does not help. beside: what to call it. alpha: what each test may spend now; 0 where
    none is due. A failure of many requests is told before the minimum of samples is reached.
    """
    if canary is None:
        return _unseen(floors)
    other, who = (stable, beside) if stable else (baseline, "the step before")
    success = _success(canary, other, who, floors, alpha)
    latency = _latency(canary, other, who, floors, alpha)
    gates = (success, latency)
    verdict = worst(each.verdict for each in gates)
    if verdict is Verdict.FAIL:
        failure = next(each.sentence for each in gates if each.verdict is Verdict.FAIL)
        found = Judgement(verdict, failure, gates=gates)
        current = stable or earlier
        return found if current is None else _weighed(found, canary, current, floors)
    lacking = max(0, floors.minimum - math.floor(canary.requests)) if not canary.errors else 0
    open_ = next((each.sentence for each in gates if each.verdict is not Verdict.PASS), "")
    if open_:
        return Judgement(verdict, open_, lacking=lacking, gates=gates)
    compared = f", not worse than {who}" if other and other.requests else ""
    took = f", {latency.sentence}" if latency.value is not None else ""
    better = other is not None and _clearly_better(canary, other)
    return Judgement(verdict, f"{success.sentence}{took}{compared}", better=better, gates=gates)


def _unseen(floors: Floors) -> Judgement:
    words = "no metrics came in"
    gates = tuple(
        GateState(name, Verdict.INCONCLUSIVE, words, None, bound, None, floors.minimum, None, unit)
        for name, bound, unit in (("success rate", floors.success_rate, "share"), ("latency", floors.p95, "s"))
    )
    return Judgement(Verdict.INCONCLUSIVE, words, gates=gates)


def _weighed(failure: Judgement, canary: Window, stable: Window, floors: Floors) -> Judgement:
    """What a failure means for the rollback: only who knows the current version can tell that."""
    below = _below(canary, floors) and _below(stable, floors)
    better = below and _clearly_better(canary, stable)
    both_bad, worse = below and not better, _clearly_better(stable, canary)
    no_help = _beside_words(canary, stable) if both_bad or worse else ""
    words = failure.sentence + _consequence(below, better)
    return replace(failure, sentence=words, both_bad=both_bad, no_help=no_help)


def time_to_decision(rate: float, share: float, minimum: int) -> float:
    """Seconds until `share` (0..1) of `rate` requests per second gave `minimum` of them; infinite without traffic."""
    return minimum / (rate * share) if rate > 0 and share > 0 else math.inf


def decision_words(rate: float, share: float, minimum: int) -> str:
    """The same for people: "1 % of 20 requests/s: about 6 minutes"."""
    seconds = time_to_decision(rate, share, minimum)
    told = f"{share * 100:g} % of {rate:.3g} requests/s"
    return f"{told}: " + ("no decision without traffic" if math.isinf(seconds) else f"about {span_words(seconds)}")


def _success(canary: Window, other: Window | None, who: str, floors: Floors, alpha: float) -> GateState:
    """The share of answers that are no 5xx: against the floor, and beside the other."""
    needed = max(floors.minimum, math.ceil(canary.errors / (1 - floors.success_rate) - 1e-9))
    verdict, words = _success_words(canary, other, who, floors, alpha)
    share = None if canary.error_share is None else 1 - canary.error_share
    eta = _eta(needed - canary.requests, canary) if verdict is Verdict.INCONCLUSIVE else 0.0
    requests = math.floor(canary.requests)
    return GateState("success rate", verdict, words, share, floors.success_rate, requests, needed, eta, "share")


def _success_words(canary: Window, other: Window | None, who: str, floors: Floors, alpha: float) -> tuple[Verdict, str]:
    errors, requests, allowed = round(canary.errors), round(canary.requests), 1 - floors.success_rate
    if errors >= FEWEST_ERRORS and binomial_tail(errors, requests, allowed) < alpha:
        return Verdict.FAIL, f"{_share(canary)} of {requests} requests failed, {allowed * 100:.3g} % are allowed"
    if other and other.requests and _more_errors(canary, other, alpha):
        return Verdict.FAIL, f"{_share(canary)} of {requests} requests failed, with {who} {_share(other)}"
    if canary.requests < floors.minimum:
        found = f"{requests} requests so far" if canary.requests else "no requests reached it"
        return Verdict.INCONCLUSIVE, f"{found}, {floors.minimum} are needed"
    if _below_success(canary, floors):
        words = f"{_share(canary)} of {requests} requests failed, which may be chance: more requests must tell"
        return Verdict.INCONCLUSIVE, words
    return Verdict.PASS, f"{_share(canary)} of {requests} requests failed"


def _latency(canary: Window, other: Window | None, who: str, floors: Floors, alpha: float) -> GateState:
    """Durations of the answers that are no errors: against the floor, and beside the other."""
    p95 = canary.quantile(0.95)
    verdict, words = _latency_words(canary, other, who, floors, alpha)
    eta = None if verdict is Verdict.INCONCLUSIVE else 0.0
    timed = math.floor(canary.timed)
    return GateState("latency", verdict, words, p95, floors.p95, timed, floors.minimum, eta, "s")


def _latency_words(canary: Window, other: Window | None, who: str, floors: Floors, alpha: float) -> tuple[Verdict, str]:
    told = f"p95 {_duration(canary.quantile(0.95), canary)}"
    slow = _slow_against_floor(canary, floors.p95)
    if slow >= FEWEST_ERRORS and binomial_tail(round(slow), round(canary.timed), 0.05) < alpha:
        return Verdict.FAIL, f"{told}, at most {floors.p95:g} s is allowed"
    if other and _slower(canary, other, alpha):
        beside = f"{_duration(other.quantile(0.5), other)} and {_duration(other.quantile(0.95), other)}"
        middle = _duration(canary.quantile(0.5), canary)
        return Verdict.FAIL, f"half of the answers take {middle}, {told}; with {who} {beside}"
    if floors.p95 is not None and canary.requests > canary.errors and not canary.timed:
        return Verdict.INCONCLUSIVE, "no durations are known, and a p95 is asked for"
    if _below_p95(canary, floors):
        return Verdict.INCONCLUSIVE, f"{told}, which may be chance: more requests must tell"
    return Verdict.PASS, told if canary.timed else "no durations are known"


def _eta(missing: float, canary: Window) -> float | None:
    """Seconds until so many requests more came, at the rate of this step."""
    rate = canary.requests / canary.seconds if canary.seconds > 0 else 0.0
    return max(missing, 0.0) / rate if rate > 0 else None


def _more_errors(one: Window, other: Window, alpha: float) -> bool:
    """Whether the first fails a larger share, beyond chance and by enough to matter."""
    if one.errors < FEWEST_ERRORS or (one.error_share or 0) - (other.error_share or 0) < ERROR_EFFECT:
        return False
    counts = (round(value) for value in (one.errors, one.requests, other.errors, other.requests))
    return fisher_tail(*counts) < alpha


def _slower(canary: Window, other: Window, alpha: float) -> bool:
    """Whether its answers are slower: a few by far, or all in all.

    Only answers without error are timed: a version that fails fast is not a quick one.
    """
    return _longer_tail(canary, other, alpha) or _slower_in_bulk(canary, other, alpha)


def _longer_tail(canary: Window, other: Window, alpha: float) -> bool:
    """Whether more answers are slow, where slow is well above the other's 95th percentile."""
    bound = _bound_above((other.quantile(0.95) or 0) * SLOWER, canary, other)
    if bound is None or other.timed < FEWEST_ERRORS:
        return False
    slow, slow_other = canary.slower_than(bound), other.slower_than(bound)
    if slow < FEWEST_ERRORS or slow / canary.timed - slow_other / other.timed < SLOW_EFFECT:
        return False
    return fisher_tail(round(slow), round(canary.timed), round(slow_other), round(other.timed)) < alpha


def _slower_in_bulk(canary: Window, other: Window, alpha: float) -> bool:
    """Whether an answer of it is slower than one of the other's in three of four cases: the ranks of the buckets."""
    if min(canary.timed, other.timed) < FEWEST_TIMED:
        return False
    bounds = sorted({bound for bound, _ in canary.buckets} & {bound for bound, _ in other.buckets})
    found = mann_whitney(_by_class(canary, bounds), _by_class(other, bounds))
    return found.effect >= LARGE and found.p < alpha


def _by_class(window: Window, bounds: Sequence[float]) -> list[int]:
    """Answers between each bound and the one before."""
    left = [window.timed, *(window.slower_than(bound) for bound in bounds)]
    return [round(before - after) for before, after in pairwise(left)]


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


def _below(window: Window, floors: Floors) -> bool:
    """Whether the plain numbers miss a floor; chance is not weighed."""
    return _below_success(window, floors) or _below_p95(window, floors)


def _below_success(window: Window, floors: Floors) -> bool:
    return window.error_share is not None and window.error_share > 1 - floors.success_rate + 1e-12


def _below_p95(window: Window, floors: Floors) -> bool:
    p95 = window.quantile(0.95)
    return floors.p95 is not None and p95 is not None and p95 > floors.p95


def _clearly_better(canary: Window, stable: Window) -> bool:
    return _more_errors(stable, canary, ALPHA) or _slower(stable, canary, ALPHA)


def _consequence(both_below: bool, better: bool) -> str:
    if not both_below:
        return ""
    if better:
        return "; better than the current version, and still not good"
    return "; the current version is bad too: a rollback does not help"


def _beside_words(canary: Window, stable: Window) -> str:
    """Both in numbers: what a person wants to see before he believes it."""
    if canary.errors or stable.errors:
        one, other = (f"{_share(each)} of {each.requests:.0f} requests" for each in (canary, stable))
        return f"the target failed {one}, the current version {other}"
    one, other = (_duration(each.quantile(0.95), each) for each in (canary, stable))
    return f"the target's p95 is {one}, the current version's {other}"


def _share(window: Window) -> str:
    return f"{100 * (window.error_share or 0):.3g} %"


def _duration(seconds: float | None, window: Window) -> str:
    """A quantile for people; above the last bound only that is known."""
    if seconds is None:
        return "unknown"
    if math.isinf(seconds):
        last = max((bound for bound, _ in window.buckets if bound < math.inf), default=0.0)
        return f"above {last:g} s"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
