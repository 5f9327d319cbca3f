"""A sandbox as other parts use it: bring it up, find it again, take it down."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helm_safe.sandbox import cache, components, guardian, holding, launcher, layout
from helm_safe.sandbox.errors import NotUp, SandboxError, Unsupported
from helm_safe.sandbox.istio import adding
from helm_safe.sandbox.istio.commands import ENVOY, ISTIOD
from helm_safe.sandbox.network import free_ports, listen
from helm_safe.sandbox.programs import Programs
from helm_safe.sandbox.progress import Say, quiet
from helm_safe.sandbox.spec import ADMIN, Ports, Spec, new_tokens

START_SECONDS = 600.0
GUARDIANS: dict[str, subprocess.Popen[bytes]] = {}  # of this process, by run folder: reaped by `down`
TOOLS = ("helm3", "helm4", "kubectl", "kustomize", "prometheus")


class Sandbox:
    """One sandbox that is up. `tokens` has the token of each user; `limited` and `other` have no rights at all."""

    def __init__(self, spec: Spec, programs: Programs) -> None:
        self.spec = spec
        self._programs = programs

    @classmethod
    def up(
        cls, name: str = "default", *, binaries: Path | None = None, say: Say = quiet, owned: bool = False
    ) -> Sandbox:
        """Build what is missing and start it; one that is up already is found.

        `owned`: what is started here goes down with this process, however that ends.

        Raises SandboxError when it cannot be built or started, Unsupported on other systems than Linux.
        """
        if not sys.platform.startswith("linux"):
            raise Unsupported(
                "The sandbox runs on Linux only.", "Point KUBECONFIG at any cluster and leave the sandbox out."
            )
        layout.sweep()
        folder = layout.run_folder(name)
        lock = holding.take(folder, say)
        if lock is None:
            say(f"the sandbox {name} is up already")
            return cls.attach(name, binaries=binaries, say=say)
        try:
            programs = Programs(binaries, say)
            spec = _prepare(name, folder, programs, say)
            spec = _launch(spec, lock, say, owned=owned)
        except BaseException:
            if str(folder) in GUARDIANS:
                GUARDIANS[str(folder)].terminate()
                _reap(str(folder))
            os.close(lock)
            layout.sweep()
            raise
        os.close(lock)
        return cls(spec, programs)

    @classmethod
    def attach(cls, name: str = "default", *, binaries: Path | None = None, say: Say = quiet) -> Sandbox:
        """The sandbox of that name. Raises NotUp."""
        folder = layout.run_folder(name)
        _require_up(folder)
        try:
            spec = Spec.load((folder / "spec.json").read_text())
        except FileNotFoundError as error:
            raise NotUp(f"The sandbox {name} is on its way up or down.", "Try again in a moment.") from error
        return cls(spec, Programs(binaries or _given(spec), say))

    def down(self) -> None:
        """End it and wait until nothing of it is left."""
        _end(self.spec.run)

    def stay(self) -> None:
        """Wait until it ends by itself, which it should not. Raises SandboxError that says what ended."""
        while layout.alive(self.spec.run):
            time.sleep(0.5)
        raise SandboxError(f"The sandbox {self.spec.name} ended. {layout.failure(self.spec.run)}".strip())

    def start_istio(self) -> None:
        """Add istiod and an Envoy as its ingress gateway, built when first asked for; nothing to do where they are up.

        Raises SandboxError when they do not start, and Unsupported where there are no pods.
        """
        if not components.has_agent(self.spec):
            raise Unsupported("Istio needs pods and a network of its own, which this sandbox does not have.")
        if adding.is_up(self.spec):
            return
        programs = {name: self._programs.ensure(name) for name in (ISTIOD, ENVOY)}
        adding.ask(self.spec, programs, self._programs.ensure_definitions(ISTIOD))
        deadline = time.monotonic() + START_SECONDS
        while not adding.is_up(self.spec):
            _require_up(self.spec.run)
            if time.monotonic() > deadline:
                raise SandboxError(f"Istio was not ready after {START_SECONDS:.0f} s.")
            time.sleep(0.1)

    @property
    def istio_url(self) -> str:
        """Where Istio's gateway listens, in the sandbox's own network; "" without one."""
        return f"http://127.0.0.1:{self.spec.ports.istio}" if adding.is_up(self.spec) else ""

    @property
    def kubeconfig(self) -> Path:
        return self.spec.kubeconfig

    @property
    def api_url(self) -> str:
        return f"https://127.0.0.1:{self.spec.api_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.spec.gateway_port}"

    @property
    def tokens(self) -> dict[str, str]:
        return layout.read_json(self.spec.tokens)

    @property
    def token(self) -> str:
        return self.tokens[ADMIN.name]

    def helm(self, major: int) -> Path:
        """The helm of a major version, built when first asked for."""
        return self._programs.ensure(f"helm{major}")

    def env(self) -> dict[str, str]:
        """Environment in which helm, kubectl and helm-safe speak to the sandbox and keep their files there."""
        home = self.spec.run / "helm"
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.spec.run / "kubectl"),
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "PATH": f"{self._tools()}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the sandbox's own network. Raises Unsupported without one."""
        if not self.spec.isolated:
            raise Unsupported("This sandbox has no network of its own: namespaces are not permitted on this machine.")
        child = int(layout.read_json(self.spec.run / "pids.json")["child"])
        enter = ["nsenter", "--target", str(guardian.init_pid(child)), "--net"]
        user = ["--user", "--preserve-credentials"] if self.spec.user_namespace else []
        return [*enter, *user, "--", *command]

    def link(self, tool: str) -> Path:
        """Build one of TOOLS where that is still to do, and put it in the place of its launcher."""
        program = self._programs.ensure(tool)
        _link(self._tools() / tool, program)
        return program

    def _tools(self) -> Path:
        folder = self.spec.run / "bin"
        folder.mkdir(exist_ok=True)
        for name in TOOLS:
            program = self._programs.built(name) if name != "kubectl" else Path(self.spec.programs[name])
            _link(folder / name, program or launcher.write(self.spec.run, name))
        _link(folder / "helm", Path(self.spec.programs["helm4"]))
        return folder


def take_down(name: str) -> None:
    """End the sandbox of that name, whichever version of helm-safe started it. Raises NotUp."""
    folder = layout.run_folder(name)
    try:
        _require_up(folder)
    finally:
        _end(folder)  # also what is ending already, or has left something


def _require_up(folder: Path) -> None:
    why = layout.failure(folder)
    if layout.alive(folder) and not why:
        return
    message = f"The sandbox {folder.name} is no longer up: {why}" if why else f"No sandbox called {folder.name} is up."
    raise NotUp(message, "Start one with: helm-safe sandbox up")


def _end(folder: Path) -> None:
    holding.end(folder)
    _reap(str(folder))
    layout.sweep()


def _given(spec: Spec) -> Path | None:
    """The folder of programs that the sandbox was brought up with, None where they were built."""
    folder = Path(spec.programs["helm4"]).parent
    return None if folder.is_relative_to(cache.root()) else folder


def _prepare(name: str, folder: Path, programs: Programs, say: Say) -> Spec:
    user = os.geteuid() != 0
    isolated = shutil.which("unshare") is not None and guardian.permitted(user=user)
    if not isolated:
        say("namespaces are not permitted here: the control plane runs without pods and without a gateway")
    found = {program: str(path) for program, path in programs.ensure_core().items()}
    if isolated:
        found["traefik"] = str(programs.ensure("traefik"))
    free = free_ports(5)
    ports = Ports() if isolated else Ports(*free)
    return Spec(
        name=name,
        folder=str(folder),
        programs=found,
        crds=str(programs.ensure_crds()) if isolated else "",
        python=sys.executable,
        api_port=ports.api,
        gateway_port=0,
        isolated=isolated,
        user_namespace=user,
        ports=ports,
    )


def _launch(spec: Spec, lock: int, say: Say, *, owned: bool) -> Spec:
    listeners: list[socket.socket] = [listen(0), listen(0)] if spec.isolated else []
    if listeners:
        api, gateway = (int(handle.getsockname()[1]) for handle in listeners)
        spec = replace(spec, api_port=api, gateway_port=gateway)
    layout.write_private(spec.tokens, json.dumps(new_tokens()))
    layout.write_private(spec.run / "spec.json", spec.dump())
    descriptors = [lock, *(handle.fileno() for handle in listeners)]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    say("starting etcd, kube-apiserver, controllers, scheduler" + (", pods and the gateway" if listeners else ""))
    child = subprocess.Popen(
        [sys.executable, "-m", "helm_safe.sandbox.guardian", spec.folder, *map(str, descriptors)],
        pass_fds=descriptors,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=guardian.end_with_parent if owned else None,  # noqa: PLW1509 - it makes one system call
    )
    _reap(spec.folder)
    GUARDIANS[spec.folder] = child
    for handle in listeners:
        handle.close()
    _await_ready(spec)
    return spec


def _await_ready(spec: Spec) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        progress = layout.read_json(spec.run / "progress.json")
        if progress.get("state") == "ready":
            return
        if progress.get("state") == "failed":
            raise SandboxError(str(progress.get("detail")))
        if GUARDIANS[spec.folder].poll() is not None and not layout.read_json(spec.run / "progress.json"):
            raise SandboxError("The sandbox was ended while it was starting.", "Bring it up again.")
        time.sleep(0.05)
    raise SandboxError(f"The sandbox was not ready after {START_SECONDS:.0f} s.")


def _reap(folder: str) -> None:
    """Collect a guardian of this process that has ended."""
    if folder in GUARDIANS:
        GUARDIANS.pop(folder).wait()


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.symlink_to(target)
    unfinished.replace(link)
