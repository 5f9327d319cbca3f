"""Kustomize: found once, run once, and where its folder stands in git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from helm_safe.core.redact import redact
from helm_safe.model.bundle import Source
from helm_safe.model.errors import Blocked, UsageError

BUILD_TIMEOUT = 600.0
QUICK = 30.0


def build(program: str, folder: Path, flags: Sequence[str], environ: Mapping[str, str]) -> tuple[str, str]:
    """The build of a folder, and what Kustomize said on standard error.

    program: kustomize, or kubectl. Raises UsageError for a folder or a program that is not there, Blocked for a build
    that fails or is empty: an empty release would delete what is live.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Name the folder of a kustomization.yaml.")
    path = find_kustomize(program, environ)
    verb = "kustomize" if Path(path).name.startswith("kubectl") else "build"
    try:
        done = subprocess.run(
            [path, verb, *flags, str(folder)],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Blocked(
            f"the build of {folder} gave no answer within {BUILD_TIMEOUT:.0f} s", "Run it by itself."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be run: {error.strerror}") from None
    told = redact(done.stderr.decode("utf-8", "replace")[-4000:]).strip()
    if done.returncode:
        raise Blocked(f"the build of {folder} failed: {told}", "Nothing was deployed.")
    text = done.stdout.decode("utf-8", "replace")
    if not text.strip():
        raise Blocked(f"the build of {folder} is empty: deployed, it would delete everything", "Nothing was deployed.")
    return text, told


def find_kustomize(program: str, environ: Mapping[str, str]) -> str:
    """The program that was named, else kustomize, else kubectl. Raises UsageError."""
    folders = os.pathsep.join(each for each in environ.get("PATH", os.defpath).split(os.pathsep) if each)
    for name in [program] if program else ["kustomize", "kubectl"]:
        found = shutil.which(str(Path(name).absolute()) if os.sep in name else name, path=folders)
        if found:
            return found
    what = repr(program) if program else "neither kustomize nor kubectl"
    raise UsageError(f"{what} is a program that can be run", "Install kustomize, or name it with --kustomize.")


def source_of(folder: Path) -> Source:
    """Where a folder stands in git; its name alone outside of it."""
    root = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "HEAD")
    if not root or not commit:
        return Source(folder.resolve().name)
    overlay = os.path.relpath(folder.resolve(), Path(root).resolve())
    dirty = bool(_git(Path(root), "status", "--porcelain", "--untracked-files=normal"))
    return Source(Path(root).name if overlay == "." else overlay, commit, dirty)


def _git(folder: Path, *words: str) -> str:
    """What git answers, "" where it does not: no repository, no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=QUICK,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
