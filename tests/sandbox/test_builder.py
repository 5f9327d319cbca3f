"""Building the programs, with a Go that is a shell script."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from helm_safe.sandbox import cache
from helm_safe.sandbox.builder import Builder
from helm_safe.sandbox.errors import SandboxError, Unsupported
from helm_safe.sandbox.programs import Programs

# Writes the program that it is asked for, notes the call, and fails while a file called "broken" is there.
GO = """#!/bin/sh
echo "$@" >> {calls}
[ -e {broken} ] && {{ echo "x.go:1: does not compile" >&2; exit 1; }}
[ -e {slow} ] && sleep 1
while [ $# -gt 0 ]; do [ "$1" = -o ] && {{ echo built > "$2"; chmod +x "$2"; }}; shift; done
"""


@pytest.fixture
def go(tmp_path: Path) -> Path:
    script = tmp_path / "go"
    names = {name: tmp_path / name for name in ("calls", "broken", "slow")}
    script.write_text(GO.format(**names))
    script.chmod(0o755)
    return script


def builds(folder: Path) -> list[str]:
    calls = folder / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_a_program_is_built_once(tmp_path: Path, go: Path) -> None:
    """The second time it is there already, and the compiler's cache is gone."""
    builder = Builder(tmp_path / "cache", go=go)
    builder.ensure(["etcd", "kube-scheduler"])
    builder.ensure(["etcd", "kube-scheduler"])
    assert len(builds(tmp_path)) == 2
    assert builder.path("etcd").read_text() == "built\n"
    assert not (tmp_path / "cache" / "unfinished").exists()


def test_an_interrupted_build_goes_on(tmp_path: Path, go: Path) -> None:
    """What was finished stays finished; what failed is named with its reason."""
    builder = Builder(tmp_path / "cache", go=go)
    builder.ensure(["etcd"])
    (tmp_path / "broken").touch()
    with pytest.raises(SandboxError, match=r"Building kube-scheduler failed: x\.go:1: does not compile"):
        builder.ensure(["etcd", "kube-scheduler"])
    (tmp_path / "broken").unlink()
    builder.ensure(["etcd", "kube-scheduler"])
    assert sum("etcd" in call.split("-o")[-1] for call in builds(tmp_path)) == 1


def test_two_builds_at_once_do_the_work_once(tmp_path: Path, go: Path) -> None:
    """The second waits, says so, and finds the program."""
    (tmp_path / "slow").touch()
    said: list[str] = []
    pair = [Builder(tmp_path / "cache", go=go, say=said.append) for _ in range(2)]
    threads = [threading.Thread(target=builder.ensure, args=(["etcd"],)) for builder in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds(tmp_path)) == 1
    assert any("another build is under way" in line for line in said)


def test_a_program_apart_has_its_own_module_and_folder(
    tmp_path: Path, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its versions move nothing of the others; it may be built by its name alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    builder = Builder.apart("prometheus", go=go)
    builder.ensure(["prometheus"])
    assert builder.path("prometheus").parent.parent.name.startswith("prometheus-0.316.0-")
    assert builder.folder != Builder(go=go).folder
    (call,) = builds(tmp_path)
    assert "-tags remove_all_sd,enable_kubernetes_sd,enable_file_sd" in call
    assert call.endswith("github.com/prometheus/prometheus/cmd/prometheus")
    assert Programs(builder=Builder(tmp_path / "other", go=go)).built("prometheus") == builder.path("prometheus")


def test_a_program_apart_brings_its_own_definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Istio's, out of its module, and no other file of their folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = tmp_path / "module" / "manifests" / "charts" / "base" / "files"
    files.mkdir(parents=True)
    for name in ("crd-all.gen.yaml", "profile-demo.yaml"):
        (files / name).write_text(name)
    go = tmp_path / "go"
    go.write_text(
        f'#!/bin/sh\n[ "$*" = \'mod download -json istio.io/istio\' ] && echo \'{{"Dir": "{tmp_path}/module"}}\'\n'
    )
    go.chmod(0o755)
    builder = Builder.apart("pilot-discovery", go=go)
    builder.ensure((), crds=True)
    assert [path.name for path in builder.crds().iterdir()] == ["crd-all.gen.yaml"]


def test_the_key_follows_the_sources(tmp_path: Path) -> None:
    """Other pins, another folder."""
    for name in cache.SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((cache.source_folder() / name).read_bytes())
    assert cache.key(tmp_path) == cache.key()
    (tmp_path / "go.sum").write_text("other")
    assert cache.key(tmp_path) != cache.key()


def test_given_programs_are_checked(tmp_path: Path) -> None:
    """A folder without them is told by name, before anything starts."""
    with pytest.raises(Unsupported, match="lacks etcd, kube-apiserver"):
        Programs(tmp_path)
    with pytest.raises(Unsupported, match="does not exist"):
        Programs(tmp_path / "absent")
