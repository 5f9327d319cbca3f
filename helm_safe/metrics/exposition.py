"""The Prometheus text format, read by the reference implementation's own parser."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from helm_safe.model.traffic import NoData

MAX_LINES = 200_000


class Point(NamedTuple):
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


def points(text: str, names: Collection[str]) -> Iterator[Point]:
    """The values of the named series ("x_total", "x_bucket"), all others left unread.

    A gateway publishes tens of thousands of lines of which a few matter: only those reach the parser, which takes 45 µs
    a line. Raises NoData for a text that is not the format.
    """
    beginnings = tuple(f"{name}{end}" for name in names for end in "{ ")
    lines = [line for line in text.splitlines() if line.startswith(beginnings)]
    if len(lines) > MAX_LINES:
        raise NoData(f"the metrics endpoint publishes more than {MAX_LINES} lines of one metric")
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except (ValueError, IndexError, KeyError, TypeError):
        raise NoData("the metrics endpoint answers with something else than Prometheus metrics") from None
    for family in families:
        for sample in family.samples:
            if sample.name in names and sample.value >= 0:  # NaN compares false: it is no value
                yield Point(sample.name, sample.labels, float(sample.value))
