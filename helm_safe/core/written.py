"""How settings are written in flags, policies and annotations, and which of them charts may state as annotations."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from helm_safe.core.quantities import duration

Parser = Callable[[Any], Any]
"""From the text of a flag or annotation, or the value of a policy, to the setting. Raises ValueError saying why not."""
MAX_STEPS = 20
COMMIT = "commit"  # among the pauses: before the native rollback
DAY = 86400.0


def steps(value: Any) -> tuple[float, ...]:
    """Percentages of the target's share, rising, the last one 100; below 1 with at most two digits behind the point."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (int, float)) and not isinstance(parts, bool):
        parts = [parts]
    if not isinstance(parts, list) or not 0 < len(parts) <= MAX_STEPS:
        raise ValueError(f"1 to {MAX_STEPS} percentages are expected, such as 1,10,50,100")
    try:
        found = tuple(map(_share, parts))
    except ValueError:
        raise ValueError("each step must be a number from 0.01 to 100, such as in 0.5,1,10,50,100") from None
    if any(one >= other for one, other in pairwise(found)):
        raise ValueError("each step must be larger than the one before, such as in 1,10,50,100")
    if found[-1] != 100:
        raise ValueError("the last step must be 100, such as in 1,10,50,100")
    return found


def _share(value: Any) -> float:
    """A whole number stays one."""
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text) or not 0.01 <= float(text) <= 100:
        raise ValueError
    number = float(text)
    return int(number) if number == int(number) else number


def pauses(value: Any) -> tuple[float | str, ...]:
    """Steps behind which a person must approve, rising; the word commit stands for the native rollback, and last."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    words = [part.strip() if isinstance(part, str) else part for part in parts]
    try:
        numbers = {_share(word) for word in words if word != COMMIT}
    except ValueError:
        raise ValueError(f"steps such as 10,50, or the word {COMMIT}, are expected") from None
    if not 0 < len(words) <= MAX_STEPS:
        raise ValueError(f"1 to {MAX_STEPS} steps are expected")
    return (*sorted(numbers), *([COMMIT] if COMMIT in words else []))


def whole(low: int, high: int) -> Parser:
    """A whole number from `low` to `high`."""

    def parse(value: Any) -> int:
        text = value.strip() if isinstance(value, str) else str(value)
        usable = isinstance(value, (int, str)) and not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}", text)
        if not usable or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high} is expected")
        return int(text)

    return parse


def span(low: float, high: float) -> Parser:
    """A duration in seconds, such as 90s or 15m."""

    def parse(value: Any) -> float:
        seconds = duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"a duration from {low:g} s to {high:g} s is expected")
        return seconds

    return parse


def rate(value: Any) -> float:
    """A share as 0.99 or "99%"; returned as 0..1."""
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%?", text):
        raise ValueError("a share such as 99% or 0.99 is expected")
    found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 < found < 1:
        raise ValueError("a share above 0 and below 1 (100%) is expected")
    return found


def one_of(*words: str) -> Parser:
    """One of the words."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)} is expected")
        return str(value)

    return parse


def text(pattern: str, what: str) -> Parser:
    """A text of that pattern."""
    compiled = re.compile(pattern)

    def parse(value: Any) -> str:
        if not isinstance(value, str) or len(value) > 2000 or not compiled.fullmatch(value):
            raise ValueError(f"{what} is expected")
        return value

    return parse


def none_or(parse: Parser) -> Parser:
    """The same, or `none` to switch the setting off."""
    return lambda value: None if value in ("none", None) else parse(value)


PATH = text(r"/[!-~]*", "an absolute path such as /ready")

ANNOTATED: dict[str, Parser] = {
    "steps": steps,
    "pause-at": none_or(pauses),
    "bake": span(0, DAY),
    "known-good-after": span(0, 365 * DAY),
    "route": text(r"[A-Za-z]{1,63}/[a-z0-9][-a-z0-9.]{0,252}", "KIND/NAME"),
    "success-rate": rate,
    "p95": none_or(span(0.001, 3600)),
    "minimum-requests": whole(1, 10**6),
    "warmup-path": PATH,
    "warmup-slow": span(0.001, 3600),
}
"""The annotations `helm-safe.dev/NAME` that a run reads; the KRM function writes no other."""
