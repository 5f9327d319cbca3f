"""The picture in the README is what the screen draws of the recorded run, and the recording is what runs tell."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

from tests.report.picture import RECORDING, events, picture, texts
from tests.report.terminal import ROOT
from tests.report.test_events import valid

PICTURE = ROOT / "docs" / "img" / "screen.svg"


def test_the_recording_has_the_published_shape() -> None:
    kinds = valid(events(RECORDING))
    assert {"plan", "step", "weights", "gate", "pods", "end"} <= set(kinds)


def test_the_picture_is_the_screens_own() -> None:
    """HELM_SAFE_UPDATE_GOLDEN=1 draws it anew; what is compared is what it says, not how rich spells it."""
    drawn = picture(RECORDING)
    known = PICTURE.read_text(encoding="utf-8") if PICTURE.exists() else ""
    if texts(drawn) != texts(known) and os.environ.get("HELM_SAFE_UPDATE_GOLDEN"):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawn, encoding="utf-8")
        raise AssertionError("the picture was drawn anew: look at it, and run the test again")
    assert texts(drawn) == texts(known)


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    """Well formed, no script, nothing is loaded; readers who want no movement see one frame."""
    svg = PICTURE.read_text(encoding="utf-8")
    ET.fromstring(svg)  # noqa: S314 - our own file
    assert "url(http" not in svg
    assert "<script" not in svg
    assert "prefers-reduced-motion" in svg
    assert svg.count('<g class="k') == 10
    assert "docs/img/screen.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
