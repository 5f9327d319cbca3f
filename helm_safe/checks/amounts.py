"""What pods ask for, in billionths of a unit, and how to say it."""

from __future__ import annotations

from helm_safe.core.objects import Object, dig
from helm_safe.core.quantities import nanos
from helm_safe.core.workloads import containers, init_containers, sidecar

BILLION = 10**9


def per_pod(template: Object, *path: str) -> int:
    """What the containers that stay ask for together. path: below `resources`, e.g. "requests", "cpu"."""
    stays = [*containers(template), *(each for each in init_containers(template) if sidecar(each))]
    return sum(amount(dig(each, "resources", *path)) for each in stays)


def amount(value: object) -> int:
    """Billionths of a quantity; 0 where there is none that can be read."""
    try:
        return nanos(value)
    except ValueError:
        return 0


def say(amount_: int) -> str:
    """A quantity for people: 1500000000 -> 1.5, and bytes in Mi."""
    number = amount_ / BILLION
    return f"{number / 1024**2:.0f}Mi" if number >= 1024**2 else f"{number:g}"
