"""The parts of a frame: the tree of stages, the traffic, the gate, the workloads with their pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from rich.text import Text

from helm_safe.model.board import (
    BEGUN,
    DONE,
    FAILED,
    WAITING,
    Board,
    GateRow,
    PodRow,
    StageRow,
    StepRow,
    WorkloadRow,
)
from helm_safe.report.cells import (
    BAD,
    DIM,
    GAP,
    GOOD,
    HEAD,
    NOW,
    WARN,
    bar,
    clock,
    columns,
    cut,
    ends,
    joined,
    name_of,
    padded,
    percent,
    text,
    width_of,
    wrapped,
)
from helm_safe.report.charset import Glyphs

# What is left out first, where the height is short. Each level includes those before it.
WELL, SENTENCES, PASSED, MERGED, TIGHT, TROUBLE = 1, 2, 3, 4, 5, 6
LEVELS = 7
LEAST = {0: 40, WELL: 12, SENTENCES: 9, PASSED: 6, MERGED: 5, TIGHT: 4, TROUBLE: 0}  # lines that pods must get
LISTED = ((8, 8), (4, 4), (0, 8), (0, 4), (0, 2), (0, 1))  # pods of a workload that are well, and that are not
SHARE = 8  # cells of "99.9 %"
STYLES = {DONE: GOOD, FAILED: BAD, BEGUN: NOW, WAITING: DIM}
VERDICTS = {"pass": GOOD, "fail": BAD}
BOUNDS = {"share": "≥ ", "s": "≤ "}
STAGE = 10  # cells of a stage's name


@dataclass(frozen=True, slots=True)
class View:
    """A board seen through a window: `width` cells, and how much must be left out."""

    board: Board
    now: datetime
    glyphs: Glyphs
    width: int
    level: int

    def mark(self, state: str) -> Text:
        marks = {DONE: self.glyphs.done, FAILED: self.glyphs.failed, BEGUN: self.glyphs.active}
        return text(marks.get(state, self.glyphs.waiting), STYLES.get(state, ""))


def stacked(found: Sequence[list[Text]], level: int) -> list[Text]:
    """One part below the other, a blank line between them where there is room."""
    lines: list[Text] = []
    for part in filter(None, found):
        if lines and level < TIGHT:
            lines.append(text(""))
        lines += part
    return lines


def abreast(left: Sequence[Text], right: Sequence[Text], at: int) -> list[Text]:
    """Two stacks beside each other, the right one from column `at` on."""
    rows = zip_longest(left, right, fillvalue=text(""))
    return [joined(padded(one, at), two) if two.plain else one for one, two in rows]


# --- stages ---


def stages(view: View) -> Iterator[Text]:
    rows = view.board.stages
    later = [row for row in rows if row.state == WAITING]
    merge = view.level >= MERGED and len(later) > 1
    for row in rows:
        if row.state != WAITING or not merge:
            yield from stage(view, row)
    if merge:
        yield cut(joined(view.mark(WAITING), text(" " + " · ".join(row.stage for row in later), DIM)), view.width)


def stage(view: View, row: StageRow) -> Iterator[Text]:
    head = joined(view.mark(row.state), text(f" {row.stage:<{STAGE}}", {BEGUN: HEAD, WAITING: DIM}.get(row.state, "")))
    words, time = summary(row, short=view.level >= PASSED), timing(view, row)
    yield ends(joined(head, text(words, DIM if row.state == WAITING else "")), text(time, DIM), view.width)
    if row.state in (BEGUN, FAILED) and len(row.steps) > 1 and view.level < PASSED:
        yield from steps(view, row)
    if row.state == BEGUN and view.level < PASSED and said(view.board):
        yield cut(text(" " * (STAGE + 2) + view.board.said, DIM), view.width)


def said(board: Board) -> str:
    """The newest words of the stage, unless they say what the pods below show."""
    shown = any(board.said.startswith(row.name) for row in board.workloads)
    return "" if shown else board.said


def summary(row: StageRow, *, short: bool) -> str:
    """One line about a stage: what it came to, what it does, or how much it will be. short: its steps are not shown."""
    if row.state == DONE:
        return row.steps[-1].words or row.steps[-1].title
    if len(row.steps) == 1:
        return row.steps[0].words or row.steps[0].title
    if row.state == WAITING:
        return f"{len(row.steps)} steps"
    at = next(n for n, step in enumerate(row.steps) if step.state != DONE)
    words = row.steps[at].words or row.steps[at].title
    return f"{at + 1} of {len(row.steps)}: {words}" if short else f"step {at + 1} of {len(row.steps)}"


def timing(view: View, row: StageRow | StepRow) -> str:
    if row.state == WAITING:
        return f"~{clock(row.expected)}" if row.expected >= 1 else ""
    return clock(row.took(view.now))


def steps(view: View, row: StageRow) -> Iterator[Text]:
    for step in row.steps:
        branch = view.glyphs.corner if step is row.steps[-1] else view.glyphs.fork
        words = step.words if step.state == FAILED and step.words else step.title
        style = DIM if step.state == WAITING else STYLES[FAILED] if step.state == FAILED else ""
        left = joined(text(f"  {branch} ", DIM), view.mark(step.state), text(f" {words}", style))
        yield ends(left, text(timing(view, step), DIM), view.width)


# --- traffic ---


def bars(view: View) -> tuple[int, int]:
    """Cells of the names and of the bars, the same for traffic and pods, so that all bars stand below each other."""
    names = [row.name for row in view.board.shares] + [row.name for row in view.board.workloads]
    name = min(max(map(width_of, names)), view.width * 2 // 5)
    return name, view.width - 2 - name - GAP - 2 * (GAP + SHARE)


def traffic(view: View) -> Iterator[Text]:
    shares = view.board.shares
    if not shares:
        return
    name, room = bars(view)
    counted = any(row.actual is not None for row in shares)
    yield ends(text("TRAFFIC", HEAD), text("  wanted    actual", DIM), view.width)
    for row in shares[: 6 if view.level < MERGED else 2]:
        shown = row.wanted if row.actual is None else row.actual
        mark = row.wanted if row.actual is not None else None
        yield joined(
            text("  "),
            name_of(row.name, name),
            text(" " * GAP),
            bar(view.glyphs, room, shown, mark=mark),
            text(" " * GAP),
            padded(text(percent(row.wanted), HEAD), SHARE, right=True),
            text(" " * GAP),
            padded(text(percent(row.actual) if counted else "–", "" if counted else DIM), SHARE, right=True),
        )


# --- gate ---


def gate(view: View) -> Iterator[Text]:
    look = view.board.gate
    if look is None:
        return
    active = view.board.active
    runs = active is not None and active.id == look.step and not view.board.paused
    waited = look.waited + (max(0.0, (view.now - look.at).total_seconds()) if runs else 0.0)
    times = f"since {clock(waited)}, bake {clock(look.bake)}"
    if look.deadline is not None:
        times += f", at most {clock(look.deadline)}"
    yield ends(text(f"GATE at {look.share:g} %", HEAD), text(times, DIM), view.width)
    shown = [row for row in look.gates if view.level < TROUBLE or row.verdict != "pass"]
    if shown:
        head = [text(word, DIM) for word in ("  ", "value", "threshold", "samples", "verdict", "decision")]
        yield from columns([head, *(cells(view, row) for row in shown)], view.width, "lrrrlr")
    for row in shown:
        unclear = row.verdict != "pass" and row.eta is None
        if row.sentence and (row.verdict == "fail" or (unclear and view.level < SENTENCES)):
            for line in wrapped(row.sentence, view.width - 2, 2, VERDICTS.get(row.verdict, DIM)):
                yield joined(text("  "), line)


def cells(view: View, row: GateRow) -> list[Text]:
    """The cells of one gate's row."""
    since = (view.now - view.board.gate.at).total_seconds() if view.board.gate else 0.0
    samples = "" if row.samples is None else f"{row.samples}" + (f" of {row.needed}" if row.needed else "")
    when = "" if row.eta is None or row.verdict != "inconclusive" else f"~{clock(row.eta - since)}"
    words = {"pass": f"{view.glyphs.done} pass", "fail": f"{view.glyphs.failed} fail"}
    verdict = text(words.get(row.verdict, f"{view.glyphs.waiting} not yet"), VERDICTS.get(row.verdict, ""))
    value, bound = measured(row.value, row.unit), measured(row.threshold, row.unit)
    bound = f"{BOUNDS.get(row.unit, '')}{bound}" if bound else ""
    return [text(f"  {row.name}"), text(value), text(bound), text(samples), verdict, text(when)]


def measured(value: Any, unit: str) -> str:
    """A value as people read it, e.g. "99.4 %", "31 ms"; "" where there is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "" if value is None else str(value)
    if unit == "share":
        return f"{100 * value:.4g} %"
    if unit == "s":
        return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.4g}"


# --- workloads and pods ---


def workloads(view: View, room: int) -> list[Text]:
    """As much of workloads and pods as `room` lines take; what is in trouble comes first and goes last."""
    rows = sorted(view.board.workloads, key=lambda row: (all(pod.well for pod in row.pods), row.ready >= row.wanted))
    if not rows or room < 2:
        return []
    head = ends(text("PODS", HEAD), text("ready", DIM), view.width)
    for well, bad in LISTED:
        blocks = [(row, *listed(row, well, bad)) for row in rows]
        if sum(1 + len(pods) + bool(hidden) for _, pods, hidden in blocks) < room:
            break
    lines = [head]
    for number, (row, pods, hidden) in enumerate(blocks):
        left = len(blocks) - number
        if len(lines) + 1 + len(pods) + bool(hidden) + (left > 1) > room:
            more = f"and {left} more workloads, {sum(row.ready for row in rows[number:])} pods of them ready"
            return [*lines, cut(text(f"  {more}", DIM), view.width)]
        lines += workload(view, row, pods, hidden)
    return lines


def listed(row: WorkloadRow, well: int, bad: int) -> tuple[list[PodRow], int]:
    """So many pods that are well and that are not, and how many more there are to tell of."""
    pods = [pod for pod in row.pods if not pod.well][:bad] + [pod for pod in row.pods if pod.well][:well]
    hidden = len(row.pods) - len(pods) + row.more
    told = pods and (well or row.wanted - row.ready > len(pods))  # those that are well are counted above
    return pods, hidden if told else 0


def workload(view: View, row: WorkloadRow, pods: Sequence[PodRow], hidden: int) -> list[Text]:
    """One workload, and below it some of its pods."""
    share = 100.0 * row.ready / row.wanted if row.wanted else 0.0
    name, room = bars(view)
    style = GOOD if row.ready >= row.wanted else WARN
    head = joined(
        text("  "),
        name_of(row.name, name),
        text(" " * GAP),
        bar(view.glyphs, room, share, style=style),
        text(" " * GAP),
        padded(text(f"{row.ready} of {row.wanted}"), GAP + 2 * SHARE, right=True),
    )
    lines = [pod_line(view, pod) for pod in pods] + ([text(f"and {hidden} more", DIM)] if hidden else [])
    branches = [view.glyphs.fork] * (len(lines) - 1) + [view.glyphs.corner]
    tree = [joined(text(f"  {branch} ", DIM), line) for branch, line in zip(branches, lines, strict=False)]
    return [head, *(cut(line, view.width) for line in tree)]


def pod_line(view: View, pod: PodRow) -> Text:
    mark = view.mark(DONE if pod.well else FAILED if pod.restarts else BEGUN)
    if pod.note and not pod.restarts:
        mark = text(view.glyphs.warning, WARN)
    restarts = f"{pod.restarts} restart" + ("s" if pod.restarts > 1 else "") if pod.restarts else ""
    words = ", ".join(filter(None, (pod.state, restarts, pod.note)))
    return joined(mark, text(f" {pod.name}  "), text(words, DIM if pod.well else WARN))
