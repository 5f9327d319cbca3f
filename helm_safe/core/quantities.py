"""Quantities, durations and int-or-percent values as Kubernetes and Go write them.

Everything raises ValueError with a sentence that names the text; nothing else.
"""

from __future__ import annotations

import re

_NANO = 10**9
_LONGEST = 64
_SCALES = {
    "n": 1,
    "u": 10**3,
    "m": 10**6,
    "": _NANO,
    "k": 10**12,
    "M": 10**15,
    "G": 10**18,
    "T": 10**21,
    "P": 10**24,
    "E": 10**27,
    **{unit: _NANO * 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}
_QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_PERCENT = re.compile(r"([0-9]{1,9})%")


def nanos(value: object) -> int:
    """A quantity ("500m", "1.5Gi", "2e3", 2) as a whole number of billionths of its base unit, rounded up."""
    text = _text(value)
    match = _QUANTITY.fullmatch(text)
    if not match or not (match[2] or match[3]):
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 1Gi")
    fraction = match[3] or ""
    scale, power = _SCALES[match[5] or ""], int(match[4] or 0) - len(fraction)
    digits = int((match[2] or "") + fraction) * scale
    up, down = 10 ** max(power, 0), 10 ** max(-power, 0)
    size: int = -(-digits * up // down)
    return -size if match[1] == "-" else size


def quantity(value: object) -> float:
    """A quantity in its base unit: cores of CPU, bytes of memory or storage, a plain count."""
    return nanos(value) / _NANO


def same_quantity(one: object, other: object) -> bool:
    """Whether two values spell the same quantity; False where either is none."""
    try:
        return nanos(one) == nanos(other)
    except ValueError:
        return False


def parse_duration(value: object) -> float:
    """Seconds of a Go duration: "60s", "1h30m", "1.5h", "300ms"; only 0 may stand without a unit."""
    text = _text(value)
    if text in ("0", "+0", "-0"):
        return 0.0
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if not rest or _DURATION_PART.sub("", rest):
        raise ValueError(f"{text!r} is not a duration such as 60s, 5m or 1h30m")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(rest))


duration = parse_duration


def same_duration(one: object, other: object) -> bool:
    """Whether two values spell the same duration; False where either is none."""
    try:
        return parse_duration(one) == parse_duration(other)
    except ValueError:
        return False


def int_or_percent(value: object, total: int, *, round_up: bool) -> int:
    """A count: a whole number as it is, "25%" of `total` rounded up or down."""
    text = _text(value)
    if text.isascii() and text.isdigit():
        return int(text)
    match = _PERCENT.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is neither a whole number nor a percentage such as 25%")
    share = int(match[1]) * total
    return -(-share // 100) if round_up else share // 100


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"a number or a text is expected, not {type(value).__name__}")  # noqa: TRY004 - one error type
    text = str(value) if not isinstance(value, int) or abs(value) < 10**_LONGEST else ""
    if len(text) > _LONGEST or not text:
        raise ValueError("a number or a text of at most 64 characters is expected")
    return text
