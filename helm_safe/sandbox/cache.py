"""The folder of built programs: `<user cache>/helm-safe/sandbox/<key>/bin/NAME`, one key per set of sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.pins import APART, KUBERNETES, PROGRAMS

MODULE = ("go.mod", "go.sum", "tools.go")
SOURCES = (*MODULE, "etcd/main.go")


def source_folder() -> Path:
    """Where the Go module that pins everything is installed."""
    return Path(str(files("helm_safe.sandbox"))) / "gomod"


def root() -> Path:
    """The folder that `purge` removes; XDG_CACHE_HOME is honoured when it is absolute, as its standard asks."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return base / "helm-safe" / "sandbox"


def key(sources: Path | None = None) -> str:
    """The Kubernetes version and a short checksum of all that decides what the programs are."""
    digest = hashlib.sha256(repr(sorted(PROGRAMS.values())).encode())
    for name in SOURCES:
        digest.update(((sources or source_folder()) / name).read_bytes())
    return f"{KUBERNETES}-{digest.hexdigest()[:12]}"


def folder() -> Path:
    return root() / key()


def folder_apart(name: str) -> Path:
    """Where a program with a Go module of its own is built: by its version and a checksum of what decides about it."""
    digest = hashlib.sha256(repr(APART[name]).encode())
    for each in MODULE:
        digest.update((source_folder() / name / each).read_bytes())
    return root() / f"{name}-{APART[name].version}-{digest.hexdigest()[:12]}"


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the build lock of a cache folder; `waiting` is called once when another build holds it."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def size(path: Path) -> int:
    """Bytes on disk under `path`; files that vanish meanwhile count as nothing."""
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - a hot loop
            except FileNotFoundError:
                continue
    return total


def remove_tree(path: Path) -> None:
    """Remove a folder for good, also the read-only ones that the Go module cache consists of."""
    for parent, _, _ in os.walk(path):
        mode = os.lstat(parent).st_mode
        if not mode & stat.S_IWUSR:
            Path(parent).chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{path} could not be removed: {error.strerror}."
        raise SandboxError(message, "Remove it by hand.") from error


def purge() -> int:
    """Remove every built program of every version and say how many bytes that freed."""
    freed = size(root())
    remove_tree(root())
    return freed
