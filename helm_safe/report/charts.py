"""Curves of a report as inline SVG: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from helm_safe.model.review import Look

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 160, 48, 12, 10, 26
Points = Sequence[tuple[float, float]]


def shares_chart(shares: Points, seconds: float) -> str:
    """Percent of the users away from the pods of before, as steps."""
    stepped = [point for before, after in pairwise(shares) for point in ((after[0], before[1]), (after[0], after[1]))]
    return _chart("users on proven or restored pods by way of the run", [(0.0, 0.0), *stepped], seconds, 100.0, "%")


def success_chart(looks: Sequence[Look], seconds: float) -> str:
    """Percent of the judged requests that succeeded, at each gate; "" where none was counted."""
    points = [(look.seconds, 100 * look.success) for look in looks if look.success is not None]
    return _chart("requests that succeeded at each gate", points, seconds, 100.0, "%", dots=True) if points else ""


def latency_chart(looks: Sequence[Look], seconds: float) -> str:
    points = [(look.seconds, 1000 * look.p95) for look in looks if look.p95 is not None]
    most = max((value for _, value in points), default=0.0)
    return (
        _chart("95th percentile of latency at each gate", points, seconds, most or 1.0, "ms", dots=True)
        if points
        else ""
    )


def _chart(title: str, points: Points, seconds: float, most: float, unit: str, *, dots: bool = False) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + wide * point[0] / max(seconds, 1.0), TOP + high * (1 - point[1] / most)

    places = [place(point) for point in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places) if dots else ""
    told = "; ".join(f"{at:.0f} s: {value:.4g} {unit}" for at, value in points)
    axis = (
        f'<text x="{LEFT - 6}" y="{TOP + 8}" class="y">{most:.4g} {unit}</text>'
        f'<text x="{LEFT - 6}" y="{TOP + high}" class="y">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">0 s</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" class="y">{seconds:.0f} s</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"<desc>{escape(told)}</desc>"
        f'<path d="M{LEFT} {TOP}V{TOP + high}H{WIDTH - RIGHT}" class="axis"/>{axis}'
        f'<polyline points="{line}"/>{marks}</svg>'
    )
