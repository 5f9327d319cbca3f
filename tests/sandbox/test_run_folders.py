"""The run folders: private, locked by the living, swept when dead."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from helm_safe.cli.main import main
from helm_safe.model.errors import UsageError
from helm_safe.sandbox import holding, layout
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.errors import NotUp, SandboxError
from helm_safe.sandbox.network import free_ports, listen
from helm_safe.sandbox.pins import CORE
from helm_safe.sandbox.spec import Ports, Spec, kubeconfig, new_tokens, token_file


@pytest.fixture(autouse=True)
def _own_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def spec_in(folder: Path, **programs: str) -> Spec:
    return Spec("x", str(folder), programs, "", sys.executable, 1, 2, isolated=False, user_namespace=False)


def test_a_lock_says_who_is_alive() -> None:
    """The folder is alive while anybody holds its lock, and left over as soon as nobody does."""
    folder = layout.run_folder("a")
    lock = layout.claim(folder)
    assert lock is not None
    assert layout.alive(folder)
    assert layout.claim(folder) is None
    assert layout.sweep() == ["a"]
    os.close(lock)
    assert not layout.alive(folder)
    assert layout.sweep() == []
    assert not layout.base().exists()


def test_run_folders_are_private() -> None:
    folder = layout.run_folder("a")
    lock = layout.claim(folder)
    assert lock is not None
    layout.write_private(folder / "secret", "x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    os.close(lock)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody else's link in the place of the base folder is refused, and so is one in the place of a file."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    layout.base().symlink_to(target)
    with pytest.raises(SandboxError, match="belongs to somebody else"):
        layout.claim(layout.run_folder("a"))
    (tmp_path / "file.part").symlink_to(target / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        layout.write_private(tmp_path / "file", "x")
    assert not list(target.iterdir())


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "-a", "a" * 41, "a\n", "."])
def test_names_never_form_paths(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        layout.run_folder(name)


def test_attaching_to_nothing_says_what_to_do() -> None:
    with pytest.raises(NotUp) as raised:
        Sandbox.attach("absent")
    assert "sandbox up" in raised.value.next_step


def test_damaged_state_reads_as_none(tmp_path: Path) -> None:
    for text in ("", "{", "[1]", "null"):
        (tmp_path / "progress.json").write_text(text)
        assert layout.read_json(tmp_path / "progress.json") == {}


def test_a_spec_survives_its_file(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, etcd="/e")
    assert Spec.load(spec.dump()) == spec
    assert Spec.load(spec.dump()).ports == Ports()


def test_each_user_has_a_token_and_only_admin_a_group() -> None:
    tokens = new_tokens()
    rows = [line.split(",") for line in token_file(tokens).splitlines()]
    assert [(row[1], row[3]) for row in rows] == [("admin", '"system:masters"'), ("limited", '""'), ("other", '""')]
    assert len(set(tokens.values())) == len(rows)
    assert tokens["admin"] in kubeconfig("https://127.0.0.1:1", "QQ==", "admin", tokens["admin"])


def test_a_port_in_use_is_refused_by_the_system() -> None:
    (port,) = free_ports(1)
    with listen(port), pytest.raises(SandboxError, match=f"Port {port} of 127.0.0.1 is in use") as raised:
        listen(port)
    assert f"sport = :{port}" in raised.value.next_step


def test_a_sandbox_of_another_version_is_told_and_can_be_taken_down(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields that are unknown, missing or of another shape: one paragraph from every verb, and `down` works."""
    whole = json.loads(spec_in(Path("/x"), etcd="/e").dump())
    shorter = {key: value for key, value in whole.items() if key != "crds"}
    for other in ({**whole, "colour": "red"}, shorter, {**whole, "ports": {"dns": 53}}, {**whole, "ports": 7}, [], "{"):
        with played("a") as folder:
            layout.write_private(folder / "spec.json", other if isinstance(other, str) else json.dumps(other))
            assert main(["sandbox", "status"]) == 0
            assert "a: The sandbox was started by another version" in capsys.readouterr().out
            assert main(["sandbox", "exec", "--name", "a", "--", "true"]) == 2
            assert "sandbox down" in capsys.readouterr().err
            assert main(["sandbox", "down", "--name", "a"]) == 0
            assert not layout.alive(folder)
            assert not folder.exists()


def test_up_waits_for_a_dying_sandbox() -> None:
    """Right after a kill the old lock is still held: the new sandbox gets the folder as soon as it is free."""
    told: list[str] = []
    with played("a", "dying") as folder:
        began = time.monotonic()
        lock = holding.take(folder, told.append)
        assert lock is not None
        assert 0.3 < time.monotonic() - began < 10
        assert told == ["a sandbox of this name is ending; waiting for it"]
        assert [each.name for each in folder.iterdir()] == ["pids.json"], "nothing of the old one is taken for the new"
        os.close(lock)


def test_a_lock_that_is_never_given_up_is_told_with_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "ENDING_SECONDS", 0.3)
    with played("a", "stuck") as folder, pytest.raises(SandboxError, match=r"held by process \d+ \(.*keep") as raised:
        holding.take(folder, lambda _: None)
    assert "End that process" in raised.value.next_step


def test_up_finds_one_that_is_ready_and_attach_one_that_is_starting() -> None:
    with played("a", "ready") as folder:
        assert holding.take(folder, lambda _: None) is None
        with pytest.raises(NotUp, match="on its way up or down"):  # no description yet
            Sandbox.attach("a")


def test_why_a_sandbox_ended_is_told_until_it_is_swept(capsys: pytest.CaptureFixture[str]) -> None:
    folder = layout.run_folder("a")
    lock = layout.claim(folder)
    assert lock is not None
    layout.write_progress(folder, "failed", "etcd ended by signal 9.")
    os.close(lock)
    with pytest.raises(NotUp, match="no longer up: etcd ended by signal 9"):
        Sandbox.attach("a")
    assert main(["sandbox", "status"]) == 0
    assert "a: etcd ended by signal 9." in capsys.readouterr().out
    assert not folder.exists()


def test_a_tool_that_is_not_built_is_built_by_its_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts find helm3 and kustomize by name; a tool that nobody calls is never built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = tmp_path / "given"
    given.mkdir()
    for name in (*CORE, "kubectl"):
        program(given / name, "echo")
    with played("a") as folder:
        spec = replace(spec_in(folder, **{name: str(given / name) for name in (*CORE, "kubectl")}), name="a")
        layout.write_private(folder / "spec.json", spec.dump())
        environment = {**os.environ, **Sandbox.attach("a").env()}
        assert Path(folder / "bin" / "helm3").resolve() == folder / "launchers" / "helm3"
        program(given / "helm3", 'echo "it: $@ $PYTHONPATH"')  # what a build would leave behind
        environment.pop("PYTHONPATH", None)
        for _ in range(2):
            done = subprocess.run(
                ["sh", "-c", "helm3 version 'a b'; exit $?"],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout == "it: version a b \n"
        assert Path(folder / "bin" / "helm3").resolve() == given / "helm3"


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_folder_that_another_sandbox_made_since_is_left_alone() -> None:
    """The last act of an old keeper, after a new sandbox took the same path."""
    folder = layout.run_folder("a")
    old = layout.claim(folder)
    assert old is not None
    layout.remove(folder)
    new = layout.claim(folder)
    assert new is not None
    layout.leave(folder, os.fstat(old))
    assert folder.exists()
    layout.leave(folder, os.fstat(new))
    assert not folder.exists()


@contextmanager
def played(name: str, part: str = "ready") -> Iterator[Path]:
    """A process that holds the folder's lock as a guardian does; it ends on SIGTERM, `dying` by itself."""
    folder = layout.run_folder(name)
    lock = layout.claim(folder)
    assert lock is not None
    script = "import sys, time; keep = sys.argv[1]; time.sleep(float(sys.argv[2]))"
    seconds = "0.5" if part == "dying" else "60"
    process = subprocess.Popen([sys.executable, "-c", script, f"{folder}/", seconds], pass_fds=[lock])
    os.close(lock)
    pids = {"guardian": process.pid, "child": process.pid if part == "ready" else 0}
    layout.write_private(folder / "pids.json", json.dumps(pids))
    layout.write_progress(folder, "ready")
    try:
        yield folder
    finally:
        process.kill()
        process.wait()
