"""From single requests to the numbers of the demo's table. Pure.

A request *fails* when its answer is no success (below 200 or above 399) or does not come; it is *slow* when its answer
took at least as long as the limit that the caller names. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

CALM_SHARE = 0.01  # below this share of failing requests users call a service well
CALM_WINDOW = 5.0  # seconds over which that share is taken


@dataclass(frozen=True, slots=True)
class Request:
    """One request. at: when it was due; latency: from then to the answer. status 0: no answer, `error` says why."""

    at: float
    latency: float
    status: int
    pod: str = ""
    version: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 400

    def to_line(self) -> str:
        body = {"at": round(self.at, 4), "latency": round(self.latency, 4), "status": self.status}
        body |= {name: getattr(self, name) for name in ("pod", "version", "error") if getattr(self, name)}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Request:
        """The inverse of to_line. Raises KeyError, TypeError or ValueError on a body of another shape."""
        words = {name: str(body.get(name, "")) for name in ("pod", "version", "error")}
        return cls(float(body["at"]), float(body["latency"]), int(body["status"]), **words)


@dataclass(frozen=True, slots=True)
class Summary:
    """What users met in a span of time. share: failed of all, 0..1; None where there were no requests."""

    total: int
    failed: int
    slow: int

    @property
    def share(self) -> float | None:
        return self.failed / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Window:
    """The summary of one slice of time that begins at `start`."""

    start: float
    summary: Summary


def read_requests(text: str) -> list[Request]:
    """The requests of a load file in the order of their time; a last line that is still being written is left out."""
    lines = text.splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    return sorted((Request.from_json(json.loads(line)) for line in whole), key=lambda each: each.at)


def between(requests: Iterable[Request], since: float, until: float) -> list[Request]:
    """The requests due in [since, until)."""
    return [each for each in requests if since <= each.at < until]


def summarize(requests: Iterable[Request], slow_after: float) -> Summary:
    every = list(requests)
    slow = sum(each.latency >= slow_after for each in every)
    return Summary(len(every), sum(each.failed for each in every), slow)


def windows(requests: Sequence[Request], since: float, until: float, size: float, slow_after: float) -> list[Window]:
    """Slices of `size` seconds from `since` on, empty ones too; the last one may be cut short by `until`."""
    if size <= 0:
        raise ValueError("a window needs a size above 0")
    found, start = [], since
    while start < until:
        end = min(start + size, until)
        found.append(Window(start, summarize(between(requests, start, end), slow_after)))
        start += size
    return found


def calm_after(
    requests: Sequence[Request], since: float, until: float, share: float = CALM_SHARE, window: float = CALM_WINDOW
) -> float | None:
    """Seconds from `since` until the failing share stays below `share` to the end.

    The share is taken over every span of `window` seconds that begins with a failed request. None when it never came
    to that, when the calm lasted shorter than one window, or when nothing was measured: no data is no success.
    """
    every = sorted(between(requests, since, until), key=lambda each: each.at)
    times = [each.at for each in every]
    failed_before = [0]
    for each in every:
        failed_before.append(failed_before[-1] + each.failed)
    calm = since
    for index, each in enumerate(every):
        last = bisect_left(times, each.at + window)
        if each.failed and (failed_before[last] - failed_before[index]) >= share * (last - index):
            calm = each.at
    seen_calm = bool(times) and times[-1] - calm >= window * 0.8 and until - calm >= window
    return calm - since if seen_calm else None


def serving(requests: Iterable[Request]) -> dict[str, int]:
    """How many requests each version answered, right or wrong; the most frequent first."""
    return dict(Counter(each.version for each in requests if each.version).most_common())
