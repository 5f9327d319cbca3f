"""Private files: written whole or not at all, readable by their owner alone, never through a link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


class UnsafePath(OSError):
    """A folder or file that others could have prepared for us; the message says what is wrong with it."""


def private_dir(path: Path) -> Path:
    """Make the folder with mode 0700, or check the one that is there.

    Raises UnsafePath when it is a link, no folder, or belongs to somebody else; OSError when it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafePath(f"{path} is not a folder of its own")
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise UnsafePath(f"{path} belongs to another user (uid {found.st_uid})")
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes | str) -> None:
    """Replace the file in one step: mode 0600, durable when it returns, a link at `path` is replaced, not followed.

    The folder must exist. Raises OSError; then the old file is untouched and nothing is left behind.
    """
    body = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def append_private(path: Path, data: bytes) -> None:
    """Add to a file of mode 0600, made when absent; durable when it returns. Raises OSError, also for a link."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        _refuse_foreign(path, os.fstat(file.fileno()))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path, limit: int = 64 * 1024 * 1024) -> bytes:
    """The content of a file of ours, at most `limit` bytes. Raises UnsafePath for a link or another user's file."""
    descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_foreign(path, os.fstat(file.fileno()))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnsafePath(f"{path} is larger than {limit} bytes")
    return data


def safe_name(name: str) -> str:
    """A file name for a name from the cluster: itself where it is harmless, else a readable part and a digest.

    Never empty, never hidden, no separators, at most 120 characters, no device name of Windows.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name) and not name.endswith("."):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = _UNSAFE.sub("-", name)[:80].strip("-")
    return f"{readable or 'name'}-{digest}"


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafePath(f"{path} is not a regular file")
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise UnsafePath(f"{path} belongs to another user (uid {found.st_uid})")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
