"""Sockets, TLS and credentials of one connection; knows nothing of retries or Kubernetes objects."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3

from helm_safe import __version__
from helm_safe.files import private_dir, write_private
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.errors import Unreachable

if TYPE_CHECKING:
    from websocket import WebSocket

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
        with self._lock:
            credentials, pool = self._credentials, self._pool
        sent = urllib3.HTTPHeaderDict(headers)
        if body is None:
            sent.discard("Content-Type")
        for name, value in (("Accept-Encoding", "gzip"), *self._caller(credentials)):
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

    def upgrade(self, target: str, protocol: str, *, connect: float, read: float) -> WebSocket:
        """One attempt at a WebSocket. Raises the errors of websocket-client and http.client, OSError, Unreachable."""
        from websocket import create_connection

        with self._lock:
            credentials = self._credentials
        found = create_connection(
            "ws" + self._connection.server.removeprefix("http") + target,
            timeout=connect,
            # A socket of our own: the library would take proxies from the environment by other rules than ours.
            socket=self._socket(credentials, connect),
            header=[f"{name}: {value}" for name, value in self._caller(credentials)],
            subprotocols=[protocol],
            suppress_origin=True,
            redirect_limit=0,
        )
        found.settimeout(read)
        return found

    def _caller(self, credentials: Credentials) -> list[tuple[str, str]]:
        """The headers that say who we are."""
        known = [("Authorization", credentials.authorization)] if credentials.authorization else []
        return [("User-Agent", f"helm-safe/{__version__}"), *known, *self._connection.impersonation]

    def _socket(self, credentials: Credentials, timeout: float) -> socket.socket:
        """A socket to the API server, through the proxy where there is one, inside of TLS where it speaks that."""
        server, proxy = urlsplit(self._connection.server), urlsplit(self._connection.proxy)
        if proxy.scheme not in ("", "http"):
            raise Unreachable(f"Port-forward does not go through a proxy of the kind {proxy.scheme}.")
        port = server.port or (443 if server.scheme == "https" else 80)
        dialing = HTTPConnection(proxy.hostname or server.hostname or "", proxy.port if proxy.hostname else port)
        dialing.timeout = timeout
        if proxy.hostname:
            dialing.set_tunnel(server.hostname or "", port, _proxy_login(proxy))
        dialing.connect()
        if server.scheme != "https":
            return dialing.sock
        try:
            name = self._connection.server_name or server.hostname
            return _context(self._connection, credentials).wrap_socket(dialing.sock, server_hostname=name)
        except BaseException:
            dialing.close()
            raise

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


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return urllib3.make_headers(proxy_basic_auth=pair)


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
