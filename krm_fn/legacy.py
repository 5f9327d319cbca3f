"""Installing as a legacy exec plugin: the only way in which `kubectl kustomize` runs a program."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from krm_fn.errors import UsageError
from krm_fn.function import Function

_MARK = "# Made by helm-safe-krm install-legacy."


def install(home: Path | None, functions: Sequence[Function]) -> list[Path]:
    """Write one launcher per function and version below the plugin home; returns the files.

    home: KUSTOMIZE_PLUGIN_HOME, else the folder that Kustomize looks in by default. Raises UsageError.
    """
    folder = home or _home()
    places = [
        folder / each.group / version / each.kind.lower() / each.kind for each in functions for version in each.versions
    ]
    for place in places:
        if place.exists() and _MARK not in place.read_text(errors="replace"):
            raise UsageError(f"{place} is there already and was not made by this command; remove it first")
        _write(place, _command(functions))
    return places


def _write(place: Path, command: str) -> None:
    root = shlex.quote(str(Path(__file__).resolve().parent.parent))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'#!/bin/sh\n{_MARK}\nPYTHONPATH={root}${{PYTHONPATH:+:$PYTHONPATH}} exec {command} "$@"\n')
        place.chmod(0o755)
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror}") from None


def _command(functions: Sequence[Function]) -> str:
    """How to start this program again; a program of somebody else is the script that was started."""
    ours = all(each.run.__module__.startswith("krm_fn.") for each in functions)
    words = ["-m", "krm_fn"] if ours else [str(Path(sys.argv[0]).resolve())]
    return shlex.join([sys.executable, *words])


def _home() -> Path:
    named = os.environ.get("KUSTOMIZE_PLUGIN_HOME")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "kustomize" / "plugin"
