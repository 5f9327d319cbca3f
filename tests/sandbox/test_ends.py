"""No sandbox leaves anything, also where nobody got the chance to tidy up; and what the gateway counts can be read."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helm_safe.sandbox import guardian, layout
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.errors import NotUp

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
NAME = f"ends-{os.getpid()}"


def traces(folder: Path) -> list[str]:
    """Processes and mounts that name the run folder, and the folder itself. Nothing is swept."""
    found = [str(folder)] if folder.exists() else []
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"{folder}/" in line]
    return found + [line for _, line in commands() if f"{folder}/" in line]


def eventually_none(look: Callable[[], list[str]], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while look():
        assert time.monotonic() < deadline, look()
        time.sleep(0.05)


@pytest.fixture(params=["namespaces", "control-plane"])
def own(sandbox: Sandbox, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """With a data plane, and as on a machine that denies namespaces."""
    with monkeypatch.context() as patched:
        if request.param == "control-plane":
            patched.setattr(guardian, "permitted", lambda *, user: False)
        found = Sandbox.up(NAME)
    yield found
    if layout.alive(found.spec.run):
        found.down()


@pytest.mark.parametrize("victim", ["guardian", "child"])
def test_whoever_is_killed_the_other_tidies_up(own: Sandbox, victim: str) -> None:
    """SIGKILL of the guardian, or of what it started: no process, mount or file, without any later command."""
    os.kill(int(layout.read_json(own.spec.run / "pids.json")[victim]), signal.SIGKILL)
    eventually_none(lambda: traces(own.spec.run))


@pytest.mark.matrix(1)
def test_a_program_that_crashes_later_is_named_with_its_last_lines(own: Sandbox) -> None:
    """The next command tells which one ended and how; `up` starts afresh, also right after the crash."""
    (etcd,) = [
        pid for pid, line in commands() if line.startswith(f"{own.spec.programs['etcd']} --data-dir={own.spec.run}/")
    ]
    os.kill(etcd, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not layout.failure(own.spec.run):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(NotUp, match=r"no longer up: etcd ended by signal 9\. Its last lines: .*level"):
        Sandbox.attach(NAME)
    Sandbox.up(NAME).down()
    eventually_none(lambda: traces(own.spec.run))


@pytest.mark.matrix(1)
def test_up_right_after_a_kill(own: Sandbox) -> None:
    """The old lock is still held for a moment: the new sandbox waits for it."""
    os.kill(int(layout.read_json(own.spec.run / "pids.json")["guardian"]), signal.SIGKILL)
    again = Sandbox.up(NAME)
    assert again.token != own.token or again.spec.api_port != own.spec.api_port
    env = {**os.environ, **again.env()}
    subprocess.run(["kubectl", "get", "--raw", "/readyz"], env=env, check=True, capture_output=True)
    again.down()
    eventually_none(lambda: traces(own.spec.run))


def commands() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(entry.parent.name), entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def heed_signals() -> None:
    """A test run in the background of a script, or under nohup, hands on that SIGINT or SIGHUP is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.matrix(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_foreground_goes_with_its_command(sandbox: Sandbox, number: signal.Signals) -> None:
    """Ctrl-C, a closed terminal, a killed parent."""
    command = [sys.executable, "-m", "helm_safe", "sandbox", "up", "--foreground", "--name", NAME]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_signals,  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("export KUBECONFIG=")
        process.send_signal(number)
        process.wait(30)
    eventually_none(lambda: traces(layout.run_folder(NAME)))


def test_programs_leave_no_files_in_the_users_home(sandbox: Sandbox, tmp_path: Path) -> None:
    """kubectl and both helms keep their caches in the run folder."""
    sandbox.helm(3)
    environment = {**os.environ, **sandbox.env(), "HOME": str(tmp_path)}
    for words in (["kubectl", "get", "pods"], ["helm3", "list"], ["helm4", "list"]):
        subprocess.run(words, env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pods", "services"])
def test_the_gateways_metrics_are_reachable_through_the_api_server(sandbox: Sandbox, kind: str) -> None:
    path = f"/api/v1/namespaces/sandbox-gateway/{kind}/traefik-metrics:9100/proxy/metrics"
    done = subprocess.run(
        ["kubectl", "get", "--raw", path],
        env={**os.environ, **sandbox.env()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "traefik_config_reloads_total" in done.stdout
