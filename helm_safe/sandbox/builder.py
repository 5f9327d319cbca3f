"""Builds the upstream programs from their pinned Go modules, once, into the cache folder of their key.

An interrupted build goes on where it stopped: finished programs stay, and so does the private compiler cache
of the unfinished ones. Two builds at once do not meet: the second waits for the lock and then finds the work done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from helm_safe.sandbox import cache, toolchain
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.pins import (
    APART,
    DEFINITIONS_APART,
    GATEWAY_DEFINITIONS,
    GO_MINIMUM,
    PROGRAMS,
    Definitions,
    Program,
)
from helm_safe.sandbox.progress import Say, megabytes, quiet

SPACE_NEEDED = 5_000_000_000
_PROGRESS_SECONDS = 30.0
_NETWORK = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|proxyconnect|TLS handshake|network is unreachable"
    r"|module lookup disabled"
)


class Builder:
    """Builds `programs` into `folder` from the Go module of `files` in `sources`, with build tags.

    go: the compiler, or None to look for one when it is first needed, of the `minimum` version at least.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        go: Path | None = None,
        say: Say = quiet,
        sources: Path | None = None,
        files: Sequence[str] = cache.SOURCES,
        programs: Mapping[str, Program] = PROGRAMS,
        tags: str = "",
        definitions: Definitions | None = GATEWAY_DEFINITIONS,
        minimum: tuple[int, ...] = GO_MINIMUM,
    ) -> None:
        self.folder = folder or cache.folder()
        self._go = go
        self._say = say
        self._sources = sources or cache.source_folder()
        self._files = files
        self._programs = programs
        self._tags = tags
        self._definitions = definitions
        self._minimum = minimum

    @classmethod
    def apart(cls, name: str, *, go: Path | None = None, say: Say = quiet) -> Builder:
        """The builder of one program of `pins.APART`, in a folder of its own."""
        program, _, tags, minimum = APART[name]
        sources, made = cache.source_folder() / name, {name: program}
        return cls(
            cache.folder_apart(name),
            go=go,
            say=say,
            sources=sources,
            files=cache.MODULE,
            programs=made,
            tags=tags,
            definitions=DEFINITIONS_APART.get(name),
            minimum=minimum,
        )

    def path(self, name: str) -> Path:
        return self.folder / "bin" / name

    def crds(self) -> Path:
        return self.folder / "crds"

    def missing(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if not self.path(name).is_file()]

    def ensure(self, names: Sequence[str], *, crds: bool = False) -> None:
        """Build what is missing of `names`, and fetch the module's definitions when `crds` asks for them.

        Raises SandboxError when Go, the network or the disk stands in the way, with what to do about it.
        """
        if not self.missing(names) and (self.crds().is_dir() or not crds):
            return
        with self._errors_of_the_disk(), cache.locked(self.folder, self._tell_of_the_wait):
            self._build_all(self.missing(names), crds=crds and not self.crds().is_dir())

    def _tell_of_the_wait(self) -> None:
        self._say(f"another build is under way in {self.folder}; waiting for it")

    def _build_all(self, names: Sequence[str], *, crds: bool) -> None:
        if not names and not crds:
            return
        self._check_space(names)
        source = self._unpack()
        for number, name in enumerate(names, 1):
            self._build(self._programs[name], source, f"{number} of {len(names)}")
        if crds:
            self._fetch_crds(source)
        cache.remove_tree(self._unfinished)
        self._say(
            f"built; {megabytes(cache.size(self.folder))} on disk in {self.folder}"
            " (remove it with: helm-safe sandbox purge)"
        )

    @property
    def _unfinished(self) -> Path:
        return self.folder / "unfinished"

    def _unpack(self) -> Path:
        """A copy of the sources: the installed ones may be read-only."""
        target = self._unfinished / "src"
        shutil.rmtree(target, ignore_errors=True)
        for name in self._files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._sources / name, target / name)
        return target

    def _check_space(self, names: Sequence[str]) -> None:
        free = shutil.disk_usage(self.folder).free + cache.size(self._unfinished)
        if names and free < SPACE_NEEDED:
            raise _disk_full(self.folder, f"{megabytes(free)} free, {megabytes(SPACE_NEEDED)} needed while building")

    def _build(self, program: Program, source: Path, count: str) -> None:
        self._say(f"building {program.name} ({count}; usually takes about {program.seconds} s on two cores)")
        started = time.monotonic()
        target = self.path(program.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._unfinished / program.name
        command = ["build", "-trimpath", "-ldflags", f"-s -w {program.stamp}".strip(), "-o", str(unfinished)]
        tags = ["-tags", self._tags] if self._tags else []
        self._run_go([*command, *tags, program.package], source, program.name)
        unfinished.replace(target)
        self._say(f"built {program.name} in {time.monotonic() - started:.0f} s")

    def _fetch_crds(self, source: Path) -> None:
        if self._definitions is None:
            return
        module, files, title = self._definitions
        answer = self._run_go(["mod", "download", "-json", module], source, title)
        unfinished = Path(tempfile.mkdtemp(prefix="crds-", dir=self._unfinished))
        for definition in sorted(Path(json.loads(answer)["Dir"]).glob(files)):
            shutil.copyfile(definition, unfinished / definition.name)
        unfinished.chmod(0o755)
        unfinished.replace(self.crds())

    def _environment(self) -> dict[str, str]:
        own = {
            "CGO_ENABLED": "0",
            "GOCACHE": str(self._unfinished / "compiled"),
            "GOMODCACHE": str(self._unfinished / "modules"),
            "GOFLAGS": "-modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        return {**os.environ, **own}

    def _run_go(self, arguments: Sequence[str], source: Path, what: str) -> str:
        """Run Go in a process group of its own, so that an interruption ends its compilers too."""
        go = self._go = self._go or toolchain.go(self._say, self._minimum)
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            process = subprocess.Popen(
                [go, *arguments], cwd=source, env=self._environment(), text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
            try:
                answer = self._wait(process, what)
            finally:
                _end_group(process)
            errors.seek(0)
            if process.returncode:
                raise self._build_error(what, errors.read())
        return answer

    def _wait(self, process: subprocess.Popen[str], what: str) -> str:
        started = time.monotonic()
        while True:
            try:
                return process.communicate(timeout=_PROGRESS_SECONDS)[0]
            except subprocess.TimeoutExpired:
                self._say(f"still at {what}, {time.monotonic() - started:.0f} s so far")

    def _build_error(self, what: str, stderr: str) -> SandboxError:
        lines = [line for line in stderr.splitlines() if not line.startswith("go: downloading")]
        if "no space left on device" in stderr:
            return _disk_full(self.folder, f"while building {what}")
        network = next((line for line in lines if _NETWORK.search(line)), "")
        if network:
            return SandboxError(
                f"The Go modules of {what} could not be downloaded: {network.strip()[:300]}",
                "Check the network and GOPROXY and run the command again: it goes on where it stopped.",
            )
        told = " / ".join(line.strip() for line in lines[-4:])[:600] or "Go said nothing."
        return SandboxError(
            f"Building {what} failed: {told}",
            "Run the command again, or pass a folder of existing programs with --binaries.",
        )

    def _errors_of_the_disk(self) -> _DiskErrors:
        return _DiskErrors(self.folder)


class _DiskErrors:
    """Turns what the file system refuses into one paragraph that names the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise SandboxError(
                f"The cache folder {self._folder} cannot be written: {error.strerror}.",
                "Free some space or mend its permissions, or choose another place with XDG_CACHE_HOME.",
            ) from error


def _disk_full(folder: Path, detail: str) -> SandboxError:
    return SandboxError(
        f"Not enough space for the sandbox's programs in {folder}: {detail}.",
        "Free some space and run the command again, or choose another disk with XDG_CACHE_HOME.",
    )


def _end_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
