"""The picture in the README: key frames of a run, drawn by the screen's own code. `python -m tests.report.picture FILE`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from helm_safe.model.board import fold
from helm_safe.report.frame import Frame
from tests.report import story
from tests.report.play import COMMAND

KEYS = (("p", "pause"), ("g", "promote"), ("a", "abort"))
THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)


def recorded(moment: str, width: int, height: int) -> Console:
    told = getattr(story, moment)()
    out = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    for line in Frame(fold(told.events), told.now, keys=KEYS, command=COMMAND).lines(width, height):
        out.print(line, soft_wrap=True)
    return out


def main(moment: str, width: str, height: str, to: str) -> None:
    svg = recorded(moment, int(width), int(height)).export_svg(title="helm safe-rollback checkout-api 1", theme=THEME)
    Path(to).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
