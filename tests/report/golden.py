"""Golden files: HELM_SAFE_UPDATE_GOLDEN=1 rewrites what differs, and the test still fails, so that somebody looks."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def compare(name: str, text: str) -> None:
    path = FOLDER / name
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != known and os.environ.get("HELM_SAFE_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        raise AssertionError(f"{path.name} was rewritten: look at it, and run the test again")
    assert text.splitlines() == known.splitlines(), f"{path} differs (HELM_SAFE_UPDATE_GOLDEN=1 rewrites it)"
