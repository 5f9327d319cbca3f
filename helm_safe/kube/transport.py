"""Sockets, TLS and credentials of one connection; knows nothing of retries or Kubernetes objects."""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import urllib3

from helm_safe import __version__
from helm_safe.files import private_dir, write_private
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.errors import Unreachable

CONNECTIONS = 8
"""Sockets kept open: as many as the workers of `parallel`."""


class Transport:
    """A pool of connections with the credentials of the moment.

    `generation` counts the credentials used so far, so that of several threads that meet a 401 only one renews them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._credentials = connection.credentials()
        self._pool = _pool(connection, self._credentials)
        self.generation = 1

    def send(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        """One attempt, redirects not followed, the body not read yet. Raises urllib3's errors."""
        sent = urllib3.HTTPHeaderDict(headers)
        sent.extend({"User-Agent": f"helm-safe/{__version__}", "Accept-Encoding": "gzip"})
        if body is None:
            sent.discard("Content-Type")
        with self._lock:
            credentials, pool = self._credentials, self._pool
        if credentials.authorization:
            sent["Authorization"] = credentials.authorization
        for name, value in self._connection.impersonation:
            sent.add(name, value)
        return pool.request(
            verb,
            self._connection.server + target,
            headers=sent,
            body=body,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def renew(self, used: int) -> None:
        """Read the credentials again unless another thread has done so since generation `used`."""
        with self._lock:
            if self.generation != used:
                return
            fresh = self._connection.credentials()
            if (fresh.certificate, fresh.key) != (self._credentials.certificate, self._credentials.key):
                self._pool = _pool(self._connection, fresh)
            self._credentials = fresh
            self.generation += 1

    def close(self) -> None:
        self._pool.clear()


def _pool(connection: Connection, credentials: Credentials) -> urllib3.PoolManager:
    options: dict[str, object] = {"num_pools": 2, "maxsize": CONNECTIONS, "block": False}
    if connection.server.startswith("https:"):
        options["ssl_context"] = _context(connection, credentials)
        if connection.insecure:
            # The user asked for it; a warning per request would only hide the other lines.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if connection.server_name:
            options["server_hostname"] = connection.server_name
            options["assert_hostname"] = connection.server_name
    if connection.proxy:
        return urllib3.ProxyManager(connection.proxy, **options)  # type: ignore[arg-type]
    return urllib3.PoolManager(**options)  # type: ignore[arg-type]


def _context(connection: Connection, credentials: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=connection.authority.decode("ascii") or None)
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if credentials.certificate:
            with _as_files(credentials.certificate, credentials.key) as (certificate, key):
                # An encrypted key would make OpenSSL ask on the terminal; a password of "" makes it fail instead.
                context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise Unreachable(
            f"The certificates of {connection.source} cannot be used ({reason}).",
            "Check certificate-authority-data, client-certificate-data and client-key-data of the kubeconfig.",
        ) from None
    return context


@contextmanager
def _as_files(certificate: bytes, key: bytes) -> Iterator[tuple[str, str]]:
    """Paths for OpenSSL, which reads files only; nothing of them outlives a killed process."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with _in_memory(certificate) as first, _in_memory(key) as second:
            yield first, second
        return
    with _swept_folder() as folder:
        write_private(folder / "certificate", certificate)
        write_private(folder / "key", key)
        yield str(folder / "certificate"), str(folder / "key")


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("helm-safe", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextmanager
def _swept_folder() -> Iterator[Path]:
    """A private folder per user; what a killed process left there goes before it is used again."""
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    base = private_dir(Path(tempfile.gettempdir()) / f"helm-safe-tls-{owner}")
    _sweep(base)
    with tempfile.TemporaryDirectory(dir=base, prefix=f"{os.getpid()}-") as folder:
        yield Path(folder)


def _sweep(base: Path) -> None:
    for folder in base.iterdir():
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not _alive(int(owner)):
            for left in folder.iterdir():
                left.unlink(missing_ok=True)
            folder.rmdir()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
