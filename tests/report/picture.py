"""The picture of the README: key frames of a recorded run of the demo, drawn by the screen's own code, as one SVG.

`python -m tests.report.picture EVENTS.jsonl FILE.svg`
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from helm_safe.model.board import Board
from helm_safe.model.board_fold import fold
from helm_safe.model.events import Event, Level
from helm_safe.report.frame import Frame

RECORDING = Path(__file__).parent / "demo.jsonl"
COLUMNS, ROWS, SECONDS = 88, 38, 2.4
MARGIN = 22  # pixels beside the text
KEYS = (("p", "pause"), ("g", "promote"), ("a", "abort"))
TITLE = "helm safe-rollback checkout-api 1 -n prod-eu-central"
THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (240, 246, 252)],
)  # fmt: skip
PARTS = "{width}\x00{height}\x00{styles}\x00{lines}\x00{backgrounds}\x00{matrix}"
PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
<style>
text {{ font-family: ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 20px; white-space: pre; }}
.k {{ opacity: 0; animation: show {whole}s infinite step-end; }}
.main {{ opacity: 1; }}
@keyframes show {{ 0% {{ opacity: 1; }} {part:.3f}% {{ opacity: 0; }} 100% {{ opacity: 0; }} }}
@media (prefers-reduced-motion: reduce) {{ .k {{ animation: none; }} }}
.title {{ font: 17px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #8b949e; text-anchor: middle; }}
{styles}
</style>
<defs>{clips}</defs>
<rect x="1" y="1" width="{inner}" height="{tall}" rx="10" fill="#0d1117" stroke="#30363d" stroke-width="1.5"/>
<circle cx="26" cy="26" r="7" fill="#ff5f57"/><circle cx="50" cy="26" r="7" fill="#febc2e"/><circle cx="74" cy="26" r="7" fill="#28c840"/>
<text class="title" x="{middle}" y="32">{title}</text>
{frames}
</svg>
"""


def events(recording: Path) -> list[Event]:
    """The events of a file of `-o jsonl`."""
    rows = map(json.loads, recording.read_text(encoding="utf-8").splitlines())
    return [
        Event(datetime.fromisoformat(row["at"]), row["stage"], Level(row["level"]), row["message"], row.get("data", {}))
        for row in rows
    ]


def moments(told: list[Event]) -> Iterator[tuple[Board, datetime]]:
    """The boards of the key frames; a gate's last look comes with the end of its step, and is shown before it."""
    for choose in CHOSEN:
        at = max(number for number, event in enumerate(told) if choose(event))
        last = told[at]
        looks = [replace(last, data={**last.data, "kind": "gate"})] if "gates" in last.data else []
        yield fold([*told[:at], *looks]), last.at
    yield fold(told), told[-1].at


def _ends(step: str) -> Callable[[Event], bool]:
    return lambda event: event.data.get("step") == step and event.data.get("state") == "done"


def _starting(event: Event) -> bool:
    """Right before the last look at which pods of the standby were still to come."""
    rows = event.data.get("workloads", ())
    return event.stage == "STANDBY" and any(row["ready"] < row["wanted"] for row in rows)


def _not_yet(event: Event) -> bool:
    """The newest look at 1 % that cannot tell yet."""
    return event.data.get("kind") == "gate" and event.data["step"] == "shift 1"


SHOWN = ("shift 10", "shift 50", "shift 100", "rollback", "watch", "return 50", "remove")
CHOSEN = (_starting, _not_yet, *map(_ends, SHOWN))
MAIN = 1  # where nothing may move


def frame(board: Board, now: datetime) -> list[Text]:
    command = "helm safe-rollback pause|promote|abort checkout-api -n prod-eu-central"
    return Frame(board, now, keys=() if board.end else KEYS, command=command).lines(COLUMNS, ROWS)


def drawn(lines: list[Text], rows: int) -> Console:
    out = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False,
        legacy_windows=False, _environ={},
    )  # fmt: skip
    for line in [*lines, *[Text("")] * (rows - len(lines))]:
        out.print(line, soft_wrap=True)
    return out


def picture(recording: Path) -> str:
    """Width, height, styles, clip paths, backgrounds and text of each frame, put into one page."""
    seen = [frame(*moment) for moment in moments(events(recording))]
    rows = max(map(len, seen))
    made = [
        drawn(lines, rows).export_svg(theme=THEME, code_format=PARTS, unique_id=f"f{number}").split("\x00")
        for number, lines in enumerate(seen)
    ]
    width, height = float(made[0][0]) + MARGIN, float(made[0][1]) + 8
    frames = "\n".join(_frame(each, number, len(made)) for number, each in enumerate(made))
    return PAGE.format(
        width=width, height=height, inner=width - 2, tall=height - 2, middle=width / 2, title=escape(TITLE),
        label="The screen of a run: stages, traffic, gates and pods", whole=SECONDS * len(made), part=100 / len(made),
        styles="\n".join(each[2] for each in made), clips="".join(each[3] for each in made), frames=frames,
    )  # fmt: skip


def _frame(part: list[str], number: int, count: int) -> str:
    delay = (number - count) * SECONDS
    main = " main" if number == MAIN else ""
    return f'<g class="k{main}" style="animation-delay:{delay:.1f}s" transform="translate({MARGIN} 46)">{part[4]}{part[5]}</g>'


def texts(svg: str) -> list[str]:
    """What the picture says, whatever version of rich drew it."""
    return [re.sub(r"\s|&#160;", "", words) for words in re.findall(r">([^<>]*)</text>", svg) if words.strip()]


def main(recording: str, to: str) -> None:
    Path(to).write_text(picture(Path(recording)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
