"""Stands in for a tool that is not built yet, so that a script finds it by name: the first call builds it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from helm_safe.core.printable import printable
from helm_safe.model.errors import HelmSafeError
from helm_safe.sandbox import layout

_ROOT = Path(__file__).resolve().parents[2]
# No PYTHONPATH: the tool would inherit it.
_CALL = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from {__name__} import main; sys.exit(main(sys.argv[1:]))"


def write(run: Path, tool: str) -> Path:
    """The launcher of a tool in the run folder of a sandbox."""
    path = run / "launchers" / tool
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        layout.write_private(
            path, f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", _CALL, run.name, tool])} "$@"\n'
        )
        path.chmod(0o700)
    return path


def main(arguments: list[str]) -> int:
    """SANDBOX TOOL [ARGUMENT ...]: build the tool, let it take the launcher's place, and become it."""
    from helm_safe.sandbox.cluster import Sandbox

    name, tool, *words = arguments
    try:
        program = Sandbox.attach(name, say=_say).link(tool)
    except HelmSafeError as error:
        sys.stderr.write(f"Error: {printable(error.message)}\n{printable(error.next_step)}\n")
        return error.exit_code
    return os.execv(program, [tool, *words])  # noqa: S606 - it becomes the tool


def _say(text: str) -> None:
    sys.stderr.write(f"sandbox: {printable(text)}\n")
