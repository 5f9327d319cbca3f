"""What people get when the program itself is wrong: one paragraph, and a private file for a report."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path

from helm_safe import __version__
from helm_safe.core.redact import redact


def tell_crash(error: Exception) -> None:
    """Say what happened in one paragraph; the redacted details go to a file that only the user can read."""
    text = redact("".join(traceback.format_exception(error)))
    with tempfile.NamedTemporaryFile("w", prefix="helm-safe-crash-", suffix=".txt", delete=False) as details:
        details.write(f"helm-safe {__version__}\n{text}")
    print(  # noqa: T201 - the boundary speaks plainly
        f"Error: helm-safe {__version__} met a fault of its own ({type(error).__name__}). If a run was under way, "
        f"`helm safe-rollback status RELEASE` tells where it stands and `resume` or `abort` go on.\n"
        f"Details for a report: {Path(details.name)}",
        file=sys.stderr,
    )
