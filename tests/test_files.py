"""Files that hold evidence: private, whole, and where we meant them to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helm_safe.files import UnsafePath, append_private, private_dir, read_private, safe_name, write_private


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folder = private_dir(tmp_path / "a" / "b")
        write_private(folder / "x", "text")
        append_private(folder / "y", b"one")
    finally:
        os.umask(old)
    assert (mode(folder), mode(folder / "x"), mode(folder / "y")) == (0o700, 0o600, 0o600)


def test_lax_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "lax").mkdir()
    (tmp_path / "lax").chmod(0o777)
    assert mode(private_dir(tmp_path / "lax")) == 0o700


def test_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(UnsafePath):
        private_dir(tmp_path / "link")


@pytest.mark.parametrize("way", ["folder", "read", "append"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    uses = {
        "folder": lambda: private_dir(tmp_path),
        "read": lambda: read_private(tmp_path / "file"),
        "append": lambda: append_private(tmp_path / "file", b"y"),
    }
    with pytest.raises(UnsafePath, match="another user"):
        uses[way]()
    assert (tmp_path / "file").read_text() == "x"


def test_a_link_is_replaced_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "report").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        append_private(tmp_path / "report", b"x")
    with pytest.raises(OSError, match="symbolic links"):
        read_private(tmp_path / "report")
    write_private(tmp_path / "report", "new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "report").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "x", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "x", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_reading_is_bounded(tmp_path: Path) -> None:
    write_private(tmp_path / "x", b"12345")
    assert read_private(tmp_path / "x", limit=5) == b"12345"
    with pytest.raises(UnsafePath, match="larger"):
        read_private(tmp_path / "x", limit=4)


@pytest.mark.parametrize("name", ["checkout-api", "v1.2.3", "_x"])
def test_harmless_names_stay(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "a\x00b",
        "x" * 300,
        "con",
        "NUL.txt",
        ".hidden",
        "a.",
        "\ud800",
    ],
)
def test_strange_names_become_harmless(name: str) -> None:
    _harmless(safe_name(name))
    assert safe_name(name) != name


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_name_is_one_part_of_a_path(name: str) -> None:
    _harmless(safe_name(name))


def test_different_names_stay_different() -> None:
    assert len({safe_name(name) for name in ("a/b", "a\\b", "a:b", "a b", "x" * 299, "x" * 300)}) == 6


def _harmless(name: str) -> None:
    assert 0 < len(name) <= 120
    assert name.isascii()
    assert not set(name) & set('/\\:\x00*?"<>| ')
    assert not name.startswith(".")
    assert not name.endswith(".")
