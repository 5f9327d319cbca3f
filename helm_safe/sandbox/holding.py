"""Who holds a sandbox's folder: waiting for one that starts, outliving one that ends, naming one that does neither."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from helm_safe.core.printable import printable
from helm_safe.sandbox import layout
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.progress import Say

ENDING_SECONDS = 30.0
_KEEPERS = ("guardian", "child")


class Phase(str, Enum):
    """How far the sandbox of a folder that is taken has come."""

    STARTING = "is being brought up"
    READY = "is up already"
    ENDING = "is ending"


def phase(folder: Path) -> Phase:
    """What the processes named in the folder are at. Without one of its two keepers a sandbox ends by itself."""
    pids = layout.read_json(folder / "pids.json")
    keepers = [_runs(pids.get(name), str(folder)) for name in _KEEPERS if name in pids] or [_runs(pids.get("up"))]
    state = layout.read_json(folder / "progress.json").get("state")
    if not all(keepers) or state in ("failed", "ending"):
        return Phase.ENDING
    return Phase.READY if state == "ready" else Phase.STARTING


def take(folder: Path, say: Say) -> int | None:
    """The lock of the folder for a new sandbox, None when one is ready there.

    Waits for another `up` as long as that lives, and for a dying sandbox for half a minute. Raises SandboxError.
    """
    before: Phase | None = None
    deadline = time.monotonic() + ENDING_SECONDS
    while (lock := layout.claim(folder)) is None:
        now = phase(folder)
        if now is before is Phase.READY:
            return None
        if now is Phase.STARTING:
            deadline = time.monotonic() + ENDING_SECONDS
        elif time.monotonic() > deadline:
            raise held(folder)
        if now is not before and now is not Phase.READY:
            say(f"a sandbox of this name {now.value}; waiting for it")
        before = now
        time.sleep(0.1)  # a keeper that was just killed may look alive for a moment: ready counts when seen twice
    layout.empty(folder)
    layout.write_private(folder / "pids.json", f'{{"up": {os.getpid()}}}')
    return lock


def end(folder: Path) -> None:
    """End the sandbox of the folder, whichever version started it. Raises SandboxError when it does not end."""
    for number, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0)):
        guardian = layout.read_json(folder / "pids.json").get("guardian")
        if isinstance(guardian, int) and _runs(guardian, str(folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(guardian, number)
        deadline = time.monotonic() + patience
        while layout.alive(folder):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return
    raise held(folder)


def held(folder: Path) -> SandboxError:
    """The error that names the processes which have the folder open."""
    names = [f"process {pid} ({printable(line)[:120]})" for pid, line in _holders(folder)]
    return SandboxError(
        f"The sandbox {folder.name} neither ends nor serves: its folder {folder} is held by "
        f"{' and '.join(names[:4]) or 'a process of another user'}.",
        "End that process, then try again; or choose another --name.",
    )


def _holders(folder: Path) -> Iterator[tuple[int, str]]:
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        pid = int(descriptors.parent.name)
        with contextlib.suppress(OSError):
            if pid != os.getpid() and any(os.readlink(each) == str(folder) for each in descriptors.iterdir()):  # noqa: PTH115 - a text, not a path that exists
                yield pid, _command(pid)


def _runs(pid: object, mentions: str = "") -> bool:
    """Whether the process lives and its command line mentions this: a number may have been given to somebody else."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    line = _command(pid)  # a zombie has none
    return bool(line) and mentions in line


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
