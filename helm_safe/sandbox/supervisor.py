"""Runs inside the sandbox's namespaces: starts the programs, forwards the host's sockets, ends when one of them dies.

It is process 1 of its own process namespace, so whatever ends it, the kernel ends everything else with it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from helm_safe.sandbox import components, layout, objects
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.guardian import die_with_parent
from helm_safe.sandbox.istio import adding
from helm_safe.sandbox.layout import read_json, write_private
from helm_safe.sandbox.network import METRICS_IP, listen, prepare_loopback
from helm_safe.sandbox.progress import last_words
from helm_safe.sandbox.spec import ADMIN, GATEWAY_NAMESPACE, Spec, kubeconfig, token_file

_KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "TMPDIR")
READY_SECONDS = 300.0
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


class Supervisor:
    """The programs of one sandbox, by name, in the order of their start."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.ending = threading.Event()
        # Nothing of the user's: Traefik reads ~/.config/traefik.toml and TRAEFIK_*, etcd reads ETCD_*, kubectl ~/.kube.
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = {**kept, "HOME": str(spec.data), "KUBECONFIG": str(spec.inner_kubeconfig)}

    def bring_up(self) -> None:
        """Start everything, once prepared, and wait until it serves. Raises SandboxError with the last words of what
        failed.
        """
        self.start("etcd", components.etcd(self.spec))
        self.start("kube-apiserver", components.kube_apiserver(self.spec))
        self.wait("kube-apiserver", self.spec.certificate.exists)
        self._write_kubeconfigs()
        self.wait("kube-apiserver", self._api_ready)
        self.start("kube-controller-manager", components.kube_controller_manager(self.spec))
        self.start("kube-scheduler", components.kube_scheduler(self.spec))
        if components.has_agent(self.spec):
            self.start("agent", components.agent(self.spec))
        if self.spec.crds:
            self._gateway()
        if components.has_agent(self.spec):
            self.wait("agent", lambda: self.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=20s"))
            self._resource_metrics()

    def dead(self) -> str:
        """The name of a program that ended, "" while all run."""
        return next((name for name, process in list(self.running.items()) if process.poll() is not None), "")

    def end_of(self, name: str) -> str:
        """How a program ended that should not have."""
        code = self.running[name].returncode
        return f"{name} ended {f'by signal {-code}' if code < 0 else f'with code {code}'}"

    def last_words(self, name: str) -> str:
        return last_words(self.spec.logs / f"{name}.log")

    def stop(self) -> None:
        """End the programs, the last started first; those that linger are killed."""
        for process in reversed(list(self.running.values())):
            process.terminate()
        deadline = time.monotonic() + 3
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
            process.kill()

    def prepare(self) -> None:
        """Folders, the loopback device and the users, before anything listens."""
        self.spec.data.mkdir(mode=0o700, exist_ok=True)
        self.spec.logs.mkdir(mode=0o700, exist_ok=True)
        if self.spec.isolated:
            prepare_loopback()
            # In the private mount namespace: gone with it, and faster than a disk.
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(self.spec.data)], check=True, capture_output=True)
        write_private(self.spec.data / "tokens.csv", token_file(read_json(self.spec.tokens)))

    def _write_kubeconfigs(self) -> None:
        authority = base64.b64encode(self.spec.certificate.read_bytes()).decode()
        token = read_json(self.spec.tokens)[ADMIN.name]
        for path, port in (
            (self.spec.inner_kubeconfig, self.spec.ports.api),
            (self.spec.kubeconfig, self.spec.api_port),
        ):
            write_private(path, kubeconfig(f"https://127.0.0.1:{port}", authority, ADMIN.name, token))

    def start(self, name: str, command: list[str], more: Mapping[str, str] = NOTHING_MORE) -> None:
        """One program with a log of its own; more: what it needs in its environment."""
        with (self.spec.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **more},
                cwd="/",
                # In a process namespace the kernel ends them with process 1 anyway. One thread forks here.
                preexec_fn=None if self.spec.isolated else die_with_parent,  # noqa: PLW1509
            )

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Until it is ready. Raises SandboxError when a program ends, the time is over or the sandbox ends."""
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            gone = self.dead()
            if self.ending.is_set():
                raise SandboxError("The sandbox is ending.")
            if gone or time.monotonic() > deadline:
                what = self.end_of(gone) if gone else f"{name} was not ready after {READY_SECONDS:.0f} s"
                raise SandboxError(f"The sandbox did not start: {what}. {self.last_words(gone or name)}")
            time.sleep(0.1)

    def _api_ready(self) -> bool:
        return self.kubectl("get", "--raw", "/readyz")

    def kubectl(self, *words: str, given: str = "") -> bool:
        command = [self.spec.programs["kubectl"], *words]
        done = subprocess.run(
            command, env=self._environment, input=given.encode(), capture_output=True, check=False, cwd="/"
        )
        return done.returncode == 0

    def _gateway(self) -> None:
        """The definitions of the kinds that the gateway reads, the gateway's objects, then the gateway itself."""
        self.wait("kube-apiserver", lambda: self.kubectl("apply", "--server-side", "-f", self.spec.crds))
        given = objects.traefik_definitions()
        self.wait("kube-apiserver", lambda: self.kubectl("apply", "--server-side", "-f", "-", given=given))
        established = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        self.wait("kube-apiserver", lambda: self.kubectl(*established))
        wanted = objects.gateway(self.spec)
        self.wait("kube-apiserver", lambda: self.kubectl("apply", "--server-side", "-f", "-", given=wanted))
        status = json.dumps(objects.pod_status(METRICS_IP))
        pod = ("pod", objects.METRICS, "-n", GATEWAY_NAMESPACE, "--subresource=status", "--type=merge")
        self.wait("kube-apiserver", lambda: self.kubectl("patch", *pod, "-p", status))
        self.start("traefik", components.traefik(self.spec))
        accepted = ("wait", "--for=condition=Accepted", "gatewayclass", "--all", "--timeout=20s")
        self.wait("traefik", lambda: self.kubectl(*accepted))

    def _resource_metrics(self) -> None:
        """Once the agent answers: an API that is registered and absent makes every client's discovery fail."""
        wanted = objects.resource_metrics()
        self.wait("kube-apiserver", lambda: self.kubectl("apply", "--server-side", "-f", "-", given=wanted))
        available = ("wait", "--for=condition=Available", "apiservice", objects.API_SERVICE, "--timeout=20s")
        self.wait("agent", lambda: self.kubectl(*available))


async def forward(listener: socket.socket, port: int) -> asyncio.Server:
    """Splice every connection that the host makes to `listener` to a port of the sandbox."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
            inner_writer.close()
        writer.close()

    return await asyncio.start_server(serve, sock=listener)


async def supervise(supervisor: Supervisor, listeners: list[socket.socket]) -> None:
    """Forward and watch until a signal comes or a program dies; the state file tells which."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    spec = supervisor.spec
    ports = (spec.ports.api, spec.ports.gateway)
    servers = [await forward(handle, port) for handle, port in zip(listeners, ports * 2, strict=False)]
    layout.write_progress(spec.run, "ready")
    istio: asyncio.Future[None] | None = None
    while not stop.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
        if istio is None and (wanted := adding.asked(spec)):
            istio = asyncio.ensure_future(asyncio.to_thread(adding.add, supervisor, wanted))
        said = trouble(supervisor, istio)
        if said:
            layout.write_progress(spec.run, "failed", said)
            break
    else:
        layout.write_progress(spec.run, "ending")
    supervisor.ending.set()
    for server in servers:
        server.close()


def trouble(supervisor: Supervisor, added: asyncio.Future[None] | None) -> str:
    """Why the sandbox cannot stay up, "" while it can."""
    gone = supervisor.dead()
    if gone:
        return f"{supervisor.end_of(gone)}. {supervisor.last_words(gone)}"
    error = added.exception() if added and added.done() else None
    return str(error) if error else ""


def leave(spec: Spec, known: os.stat_result) -> None:
    """Remove the run folder: the guardian may have been killed."""
    if spec.isolated:
        subprocess.run(["umount", "--lazy", str(spec.data)], check=False, capture_output=True)
    layout.leave(spec.run, known)


def stop_now(_number: int, _frame: object) -> None:
    """SIGTERM while the programs are starting; process 1 would ignore it otherwise."""
    sys.exit(0)


def main(arguments: list[str]) -> int:
    """SPEC-FILE [DESCRIPTOR ...]: the descriptors are listening sockets of the host."""
    spec = Spec.load(Path(arguments[0]).read_text())
    listeners = [socket.socket(fileno=int(number)) for number in arguments[1:]]
    known = spec.run.stat()
    supervisor = Supervisor(spec)
    signal.signal(signal.SIGTERM, stop_now)
    try:
        supervisor.prepare()
        if spec.isolated:  # the same addresses inside, so that one kubeconfig serves both sides
            listeners += [listen(spec.api_port), listen(spec.gateway_port)]
        supervisor.bring_up()
        asyncio.run(supervise(supervisor, listeners))
    except (SandboxError, OSError, subprocess.CalledProcessError) as error:
        layout.write_progress(spec.run, "failed", str(error))
        return 1
    finally:
        supervisor.stop()
        leave(spec, known)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
