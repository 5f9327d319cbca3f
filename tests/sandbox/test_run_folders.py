"""The run folders: private, locked by the living, swept when dead."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from helm_safe.model.errors import UsageError
from helm_safe.sandbox import layout
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.errors import NotUp, SandboxError
from helm_safe.sandbox.network import free_ports, listen
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
    with listen(port), pytest.raises(OSError, match="in use"):
        listen(port)
