"""The helm binary: found once as an absolute path, its version asked once, run with nobody's secrets in its output."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from helm_safe.core.redact import redact
from helm_safe.model.errors import OutcomeUnknown, UsageError
from helm_safe.model.revisions import Release
from helm_safe.model.snapshot import HelmVersion
from helm_safe.ports import Check, NativeResult

OLDEST = HelmVersion(3, 8)
QUICK = 30.0  # seconds for a call that only reads
OUTPUT_LIMIT = 32 * 1024
DOCUMENT_LIMIT = 64 * 1024 * 1024

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?:[-+].*)?")
_WHERE = "Set HELM_BIN to a Helm 3 or 4 binary, or put `helm` on the PATH."


@dataclass(frozen=True, slots=True)
class HelmBinary:
    """A helm that was found and asked for its version. environ: what calls inherit. check: asked before a write."""

    path: str
    version: HelmVersion
    environ: Mapping[str, str]
    check: Check = field(default=lambda: None, compare=False)

    def read(self, release: Release, arguments: Sequence[str]) -> tuple[int, str, str]:
        """A call that only reads: exit code, standard output, standard error (bounded, redacted)."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = _run([self.path, *arguments], self._environment(release), out, err)
            return code, _text(out, DOCUMENT_LIMIT), redact(_text(err, OUTPUT_LIMIT))

    def act(self, release: Release, arguments: Sequence[str], *, timeout: float) -> NativeResult:
        """A call that writes, in a process session of its own, so that no signal of a terminal reaches it.

        It is never killed: a helm that dies in the middle leaves objects half changed and a record that blocks every
        upgrade. Its output goes to a file without a name and not through a pipe, so it survives the end of this
        process. Raises OutcomeUnknown when it is still running after `timeout` seconds, and leaves it running.
        """
        with tempfile.TemporaryFile() as output:
            self.check()
            process = self._start(release, arguments, output)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired as error:
                raise OutcomeUnknown(
                    f"the native helm of {release} (process {process.pid}) is still running after {timeout:.0f} s",
                    "It was left running, because to kill it would leave the release half changed. "
                    f"`helm history {release.name} -n {release.namespace}` shows when its record leaves the status "
                    "pending-rollback; then resume or abort.",
                ) from error
            finally:
                _reap(process)
            return NativeResult(code, redact(_text(output, OUTPUT_LIMIT)))

    def _start(self, release: Release, arguments: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self.path, *arguments],
                env=self._environment(release),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"{self.path} cannot be run any more: {error.strerror}", _WHERE) from error

    def _environment(self, release: Release) -> dict[str, str]:
        """Namespace, context, credentials and driver reach helm by its own variables, never as arguments."""
        return {**_quiet(self.environ), "HELM_NAMESPACE": release.namespace}


def find_helm(environ: Mapping[str, str]) -> HelmBinary:
    """The helm that called us (HELM_BIN), else the one on the PATH. Call it before any chdir.

    Raises UsageError where it is missing, cannot run, is no helm or is too old.
    """
    path = _locate(environ)
    version = _probe(path, environ)
    if (version.major, version.minor) < (OLDEST.major, OLDEST.minor):
        raise UsageError(f"{path} is Helm {version}, and helm-safe needs at least {OLDEST}", _WHERE)
    return HelmBinary(path, version, dict(environ))


def _locate(environ: Mapping[str, str]) -> str:
    """HELM_BIN is the word that the user typed: relative to the current folder only if it says so with a slash."""
    name = environ.get("HELM_BIN") or "helm"
    if os.sep in name:
        path = Path(name).absolute()
        found = str(path) if path.is_file() and os.access(path, os.X_OK) else None
    else:
        folders = [each for each in environ.get("PATH", os.defpath).split(os.pathsep) if Path(each).is_absolute()]
        found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise UsageError(f"no helm was found: {name!r} is not a program that can be run", _WHERE)
    return found


def _probe(path: str, environ: Mapping[str, str]) -> HelmVersion:
    arguments = [path, "version", "--template", "{{.Version}}"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _run(arguments, _quiet(environ), out, err)
        answer = _text(out, 200).strip()
    version = parse_version(answer)
    if code or version is None:
        raise UsageError(f"{path} did not tell its version, so it is not a helm that can be used", _WHERE)
    return version


def candidates(environ: Mapping[str, str], words: Sequence[str], *, timeout: float) -> list[str]:
    """What Helm offers a shell after `words`; nothing where it does not know, does not answer or is missing."""
    try:
        command = [_locate(environ), "__complete", *words]
        with tempfile.TemporaryFile() as out:
            _run(command, _quiet(environ), out, subprocess.DEVNULL, timeout)
            lines = _text(out, OUTPUT_LIMIT).splitlines()
    except UsageError:
        return []
    return [line for line in lines if not line.startswith(":")]


def _quiet(environ: Mapping[str, str]) -> dict[str, str]:
    """HELM_DEBUG would print what helm sends; plugins have no part in our calls and could break them."""
    return {**environ, "HELM_DEBUG": "false", "HELM_NO_PLUGINS": "1"}


def parse_version(answer: str) -> HelmVersion | None:
    """The version in "v3.22", "v3.22.0", "v4.3.1+gabc" or "v4.0.0-rc.1"; None for anything else."""
    found = _VERSION.fullmatch(answer)
    return HelmVersion(int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def _run(
    command: Sequence[str],
    environ: Mapping[str, str],
    out: IO[bytes],
    err: IO[bytes] | int,
    timeout: float | None = None,
) -> int:
    """Run what only reads; it may be killed when it does not answer."""
    limit = QUICK if timeout is None else timeout
    try:
        done = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{command[0]} {command[1]} gave no answer within {limit:.0f} s", _WHERE) from error
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be run: {error.strerror}", _WHERE) from error
    return done.returncode


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the exit of a process that nobody waits for any more, whenever it comes."""
    if process.returncode is None:
        threading.Thread(target=process.wait, daemon=True).start()


def _text(file: IO[bytes], limit: int) -> str:
    """The content of a file, its middle left out where it is longer than `limit` bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= limit:
        return file.read().decode("utf-8", "replace")
    head = file.read(limit // 2)
    file.seek(size - limit // 2)
    return f"{head.decode('utf-8', 'replace')}\n[…]\n{file.read().decode('utf-8', 'replace')}"
