"""What one gate of a step says at one look: the numbers for machines and screens, the sentence for people."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from helm_safe.model.machine import Verdict


class GateState(NamedTuple):
    """One gate now.

    value: what was measured, threshold: what it must hold, both in `unit` ("share" is 0..1, "s" seconds, "" the
    metric's own), None where there is none. samples: how many requests or readings there are, needed: how many a
    decision needs. eta: seconds until a decision can be had, None where nobody knows. worse: it fails beside the
    current version.
    """

    name: str
    verdict: Verdict
    sentence: str
    value: float | None = None
    threshold: float | None = None
    samples: float | None = None
    needed: float | None = None
    eta: float | None = None
    unit: str = ""
    worse: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what is not finite is null."""
        body = {name: _plain(value) for name, value in self._asdict().items()}
        return {**body, "verdict": self.verdict.value}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL before INCONCLUSIVE before PASS."""
    found = set(verdicts)
    return next((each for each in (Verdict.FAIL, Verdict.INCONCLUSIVE) if each in found), Verdict.PASS)


def span_words(seconds: float) -> str:
    """How long, for people: "40 s", "6 minutes", "3 hours"."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.0f} hours"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
