"""Stays on the host while a sandbox is up: holds its lock and its sockets, and clears its folder after it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from helm_safe.sandbox import layout
from helm_safe.sandbox.progress import last_words
from helm_safe.sandbox.spec import Spec

_PR_SET_PDEATHSIG = 1


def namespaces(*, user: bool) -> list[str]:
    """The command that gives what follows namespaces of its own: network, processes, mounts."""
    return ["unshare", *(["--user", "--map-root-user"] if user else []), "--net", "--pid", "--fork", "--mount",
            "--kill-child=SIGTERM", "--mount-proc"]  # fmt: skip


def permitted(*, user: bool) -> bool:
    """Whether this machine lets us have such namespaces."""
    try:
        done = subprocess.run(
            [*namespaces(user=user), "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            capture_output=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


_PRCTL = ctypes.CDLL(None).prctl  # looked up here: between fork and exec nothing should be loaded


def die_with_parent() -> None:
    """In a child before its exec: the kernel kills it when its parent is gone, however it went."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end_with_parent() -> None:
    """Likewise, but with SIGTERM: the supervisor has a folder to remove before it goes."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


def watch_over(spec: Spec, lock: int, listeners: list[socket.socket]) -> int:
    """Start the supervisor and wait for its end; SIGTERM and SIGINT end it.

    It inherits the lock: when this process is killed, the folder stays taken until the supervisor has removed it.
    """
    prefix = namespaces(user=spec.user_namespace) if spec.isolated else []
    spec_file = spec.run / "spec.json"
    command = [*prefix, spec.python, "-m", "helm_safe.sandbox.supervisor", str(spec_file)]
    descriptors = [handle.fileno() for handle in listeners]
    with (spec.run / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(
            [*command, *map(str, descriptors)],
            pass_fds=[lock, *descriptors],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # One thread forks here. When unshare is killed, it passes SIGTERM on.
            preexec_fn=die_with_parent if prefix else end_with_parent,  # noqa: PLW1509
        )
    layout.write_private(spec.run / "pids.json", f'{{"guardian": {os.getpid()}, "child": {child.pid}}}')

    def end(_number: int, _frame: object) -> None:
        inner = init_pid(child.pid) if spec.isolated else child.pid
        os.kill(inner or child.pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    code = child.wait()
    if code > 0 and not layout.read_json(spec.run / "progress.json"):  # it ended before it could say why
        told = last_words(spec.run / "supervisor.log")
        layout.write_progress(spec.run, "failed", f"The sandbox did not start: its supervisor ended. {told}")
    return code


def init_pid(unshare_pid: int) -> int:
    """The host's id of process 1 of the sandbox, 0 when it is gone."""
    try:
        text = Path(f"/proc/{unshare_pid}/task/{unshare_pid}/children").read_text()
    except OSError:
        return 0
    return int(text.split()[0]) if text.split() else 0


def main(arguments: list[str]) -> int:
    """FOLDER LOCK-DESCRIPTOR [SOCKET ...]: what `up` made and hands over."""
    folder = Path(arguments[0])
    spec = Spec.load((folder / "spec.json").read_text())
    listeners = [socket.socket(fileno=int(number)) for number in arguments[2:]]
    lock = int(arguments[1])
    try:
        return watch_over(spec, lock, listeners)
    finally:
        layout.leave(folder, os.fstat(lock))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
