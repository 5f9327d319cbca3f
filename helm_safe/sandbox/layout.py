"""Where a running sandbox keeps what the host may see, and how it is known whether it is alive.

Each sandbox owns one private folder. The guardian and the supervisor hold a lock on that folder as long as they
live; the kernel lets go of it when they die, however they die. So a folder whose lock is free is left over, and
may be removed: no process id, which could have been given to somebody else, needs to be trusted.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from helm_safe.model.errors import UsageError
from helm_safe.sandbox.errors import SandboxError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def base() -> Path:
    """The folder of all sandboxes of this user: under XDG_RUNTIME_DIR, else under the temporary folder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.access(runtime, os.W_OK):
        return Path(runtime) / "helm-safe-sandbox"
    return Path(tempfile.gettempdir()) / f"helm-safe-sandbox-{os.getuid()}"


def run_folder(name: str) -> Path:
    """The folder of the sandbox `name`; raises UsageError for a name that could not be one."""
    if not _NAME.fullmatch(name):
        message = f"{name[:60]!r} cannot be the name of a sandbox."
        raise UsageError(message, "Use up to 40 lower-case letters, digits and dashes.")
    return base() / name


def claim(folder: Path) -> int | None:
    """Create the folder if need be and lock it; the descriptor that holds the lock, None when it is taken."""
    _make_private(folder.parent)
    _make_private(folder)
    descriptor = _lock(folder)
    if descriptor is not None and not is_still(folder, os.fstat(descriptor)):  # removed between the two calls
        os.close(descriptor)
        return None
    return descriptor


def is_still(folder: Path, known: os.stat_result) -> bool:
    """Whether the path leads to the folder that is known: another sandbox may have made its own there since."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (known.st_dev, known.st_ino)


def failure(folder: Path) -> str:
    """Why the sandbox of this folder ended or is ending by itself, "" when it does not."""
    progress = read_json(folder / "progress.json")
    return str(progress.get("detail")) if progress.get("state") == "failed" else ""


def alive(folder: Path) -> bool:
    """Whether somebody holds the lock of an existing folder."""
    if not folder.is_dir():
        return False
    descriptor = _lock(folder, fcntl.LOCK_SH)  # shared: two lookers must not take each other for a sandbox
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def names() -> list[str]:
    try:
        return sorted(entry.name for entry in base().iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def sweep() -> list[str]:
    """Remove what dead sandboxes left; the names of those that are alive."""
    living = []
    for name in names():
        descriptor = _lock(base() / name)
        if descriptor is None:
            living.append(name)
            continue
        remove(base() / name)
        os.close(descriptor)
    _remove_empty_base()
    return living


def remove(folder: Path) -> None:
    """Remove a run folder, and the base when it was the last one."""
    shutil.rmtree(folder, ignore_errors=True)
    _remove_empty_base()


def leave(folder: Path, known: os.stat_result) -> None:
    """Remove one's own run folder at the end; what failed stays for the next command to read."""
    if is_still(folder, known) and read_json(folder / "progress.json").get("state") != "failed":
        remove(folder)


def write_progress(folder: Path, state: str, detail: str = "") -> None:
    """Tell whoever waits: `ready`, `ending`, or `failed` and why."""
    write_private(folder / "progress.json", json.dumps({"state": state, "detail": detail}))


def empty(folder: Path) -> None:
    """Remove what an earlier sandbox left in a folder that is locked now."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, all at once."""
    unfinished = path.with_name(path.name + ".part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    unfinished.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty when it is not there (any more) or not whole."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        message = f"{folder} belongs to somebody else."
        raise SandboxError(message, "Set XDG_RUNTIME_DIR to a folder of your own.")
    folder.chmod(0o700)


def _lock(folder: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_empty_base() -> None:
    try:
        base().rmdir()
    except OSError:  # it holds other sandboxes, or is gone
        return
