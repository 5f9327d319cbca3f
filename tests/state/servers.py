"""Real databases for tests: PostgreSQL from a wheel, SQLite, and MariaDB, Redis and Kafka where the machine has them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from helm_safe.sandbox.postgres import postgres

NOBODY = 65534


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The address of an empty database of that kind; skips where the machine cannot have one."""
    with {"postgresql": postgres, "sqlite": _sqlite, "mariadb": _mariadb}[kind]() as address:
        yield address


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        path.touch()
        yield f"sqlite:///{path}"


@contextmanager
def _mariadb() -> Iterator[str]:
    program = shutil.which("mariadbd") or shutil.which("mysqld")
    install = shutil.which("mariadb-install-db")
    if not program or not install:
        pytest.skip("there is no MariaDB on this machine")
    folder, port = Path(tempfile.mkdtemp()), free_port()
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    who = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
    data = f"--datadir={folder / 'data'}"
    subprocess.run(
        [install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    command = [program, "--no-defaults", data, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s"]
    server = subprocess.Popen([*command, "--skip-networking=0"], cwd=folder, stderr=subprocess.DEVNULL, **who)
    try:
        await_port(port)
        from sqlalchemy import create_engine, text

        engine = create_engine(f"mysql+pymysql://root@127.0.0.1:{port}/mysql")
        with engine.begin() as connection:
            connection.execute(text("CREATE DATABASE shop"))
            connection.execute(text("CREATE USER 'shop'@'127.0.0.1' IDENTIFIED BY 'pass word'"))
            connection.execute(text("GRANT ALL ON shop.* TO 'shop'@'127.0.0.1'"))
        engine.dispose()
        yield f"mariadb://shop:pass%20word@127.0.0.1:{port}/shop"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server() -> Iterator[str]:
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("there is no Redis on this machine")
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret-of-redis"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([program, *words], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            await_port(port)
            yield f"redis://:s3cret-of-redis@127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=10)


@contextmanager
def deaf_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    taken: list[socket.socket] = []

    def take() -> None:
        with suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for each in taken:
                each.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


_KAFKA = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{control}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


@contextmanager
def kafka_server() -> Iterator[str]:
    """A real broker (KRaft) from Maven's jars; skips where they are not in the cache and nobody asked to fetch them."""
    from tests.state.tools import kafka_jars

    jars = kafka_jars()
    if jars is None:
        pytest.skip("there is no Kafka on this machine; HELM_SAFE_FULL=1 fetches it, where Java and Maven are")
    port, control = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "server.properties"
        settings.write_text(_KAFKA.format(port=port, control=control, folder=folder))
        java = ["java", "-Xmx400m", "-cp", f"{jars}/*"]
        made = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(settings)]
        subprocess.run(made, check=True, capture_output=True)
        server = subprocess.Popen([*java, "kafka.Kafka", str(settings)], stdout=subprocess.DEVNULL)
        try:
            await_port(port, 90)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)
