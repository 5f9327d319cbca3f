"""Two exact tests for shares of failed requests: one share against a bound, and two shares against each other.

Exact tails instead of the normal approximation: one error among 75 requests beside none among 7,425 has a z of 10, and
a true probability of 1 %. Counts are whole numbers; anything between is rounded by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_NEGLIGIBLE = 1e-17


def binomial_tail(errors: int, requests: int, share: float) -> float:
    """P(at least `errors` of `requests` fail) when each fails with probability `share`."""
    if errors <= 0:
        return 1.0
    if share <= 0 or errors > requests:
        return 0.0
    if share >= 1:
        return 1.0
    odds = math.log(share) - math.log1p(-share)
    first = _log_choose(requests, errors) + errors * math.log(share) + (requests - errors) * math.log1p(-share)
    mode = (requests + 1) * share
    return _tail(first, errors, requests, mode, lambda k: math.log((requests - k) / (k + 1)) + odds)


def improbable(hits: int, trials: int, share: float, alpha: float = 1e-4) -> bool:
    """Whether so many hits, or so few, lie outside the central 1 - alpha of a binomial distribution."""
    least = binomial_tail(hits, trials, share)
    most = binomial_tail(trials - hits, trials, 1 - share)
    return min(least, most) < alpha / 2


def fisher_tail(errors: int, requests: int, other_errors: int, other_requests: int) -> float:
    """One-sided p of Fisher's exact test: how likely so many of all errors fall on the first group by chance alone."""
    failed, total = errors + other_errors, requests + other_requests
    low, high = max(0, failed - other_requests), min(failed, requests)
    if errors <= low:
        return 1.0
    first = _log_choose(requests, errors) + _log_choose(other_requests, failed - errors) - _log_choose(total, failed)
    mode = (failed + 1) * (requests + 1) / (total + 2)
    return _tail(
        first,
        errors,
        high,
        mode,
        lambda k: math.log((requests - k) * (failed - k) / ((k + 1) * (other_requests - failed + k + 1))),
    )


def _tail(first: float, start: int, end: int, mode: float, step: Callable[[int], float]) -> float:
    """Sum of exp(first), then each next term by its logarithmic ratio; stops past the mode once terms vanish."""
    total, term = 0.0, first
    for k in range(start, end + 1):
        value = math.exp(term)
        total += value
        if k > mode and value <= total * _NEGLIGIBLE:
            break
        if k < end:
            term += step(k)
    return min(total, 1.0)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
