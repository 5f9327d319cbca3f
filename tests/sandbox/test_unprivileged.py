"""The sandbox of an ordinary user: namespaces without being root."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from tests.sandbox.test_ends import eventually_none, traces

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]


def command(sandbox: Sandbox, verb: str, *words: str) -> list[str]:
    binaries = str(Path(sandbox.spec.programs["helm4"]).parent)
    return [sys.executable, "-m", "helm_safe", "sandbox", verb, "--name", "bare", "--binaries", binaries, *words]


def test_without_being_root(sandbox: Sandbox, tmp_path: Path) -> None:
    """Another user, no capabilities: the same sandbox, with pods and gateway, in a user namespace."""
    if os.geteuid() != 0:
        pytest.skip("this whole run is unprivileged already")
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    home = tmp_path / "nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    tmp_path.chmod(0o755)
    # This user must reach the interpreter, the programs and the sources, which may lie in a private home: show them
    # to it in a mount namespace of the test.
    needed = {
        sys.prefix,
        sys.base_prefix,
        str(ROOT),
        *(str(Path(path).parent) for path in sandbox.spec.programs.values()),
    }
    needed |= {sandbox.spec.crds, str(tmp_path)}
    reachable = _shown(sorted(needed))
    script = (
        f"{shlex.join(command(sandbox, 'up', '-o', 'json'))} && "
        f"{shlex.join(command(sandbox, 'exec', '--', 'kubectl', 'auth', 'whoami'))} && "
        f"{shlex.join(command(sandbox, 'exec', '--inside', '--', 'kubectl', 'get', 'nodes'))}; "
        f"code=$?; {shlex.join(command(sandbox, 'down'))}; exit $code"
    )
    lines = [
        *reachable,
        f"cd {shlex.quote(str(ROOT))}",
        f"export HOME={home} TMPDIR={home} XDG_CACHE_HOME= XDG_RUNTIME_DIR={home} PYTHONDONTWRITEBYTECODE=1",
        f"exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all sh -c {shlex.quote(script)}",
    ]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "\n".join(lines)], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout[: done.stdout.index("\n}") + 2])
    assert answer["dataPlane"] is True
    assert answer["kubeconfig"].startswith(f"{home}/helm-safe-sandbox/")
    assert "admin" in done.stdout
    assert "sandbox-node" in done.stdout
    eventually_none(lambda: traces(home / "helm-safe-sandbox"))
    assert list(home.iterdir()) == []


def _shown(paths: list[str]) -> list[str]:
    """Shell lines that put an open folder over each private ancestor and bind what is needed back into it."""
    private = {
        str(parent)
        for path in paths
        for parent in Path(path).parents
        if not stat.S_IMODE(parent.stat().st_mode) & stat.S_IXOTH
    }
    outermost = [path for path in sorted(private) if not any(str(up) in private for up in Path(path).parents)]
    lines = []
    for number, hidden in enumerate(outermost):
        stash = f"/mnt/stash-{number}"
        lines += ["mount -t tmpfs -o mode=0755 tmpfs /mnt"] if number == 0 else []
        lines += [f"mkdir {stash}", f"mount --bind {hidden} {stash}", f"mount -t tmpfs -o mode=0755 tmpfs {hidden}"]
        inner = [path for path in paths if path.startswith(hidden + "/")]
        for path in (each for each in inner if not any(str(up) in inner for up in Path(each).parents)):
            source = stash + path.removeprefix(hidden)
            lines += [f"mkdir -p {shlex.quote(path)}", f"mount --bind {shlex.quote(source)} {shlex.quote(path)}"]
    return lines
