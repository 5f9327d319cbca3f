"""Running Kustomize and asking git, on programs made for the test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helm_safe.helm.kustomize import build, find_kustomize, source_of
from helm_safe.model.errors import Blocked, UsageError


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """A program on a PATH of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_flags_and_folder_are_passed_on(tmp_path: Path) -> None:
    env = program(tmp_path / "bin", "kustomize", 'echo "# $@"; echo careful >&2')
    text, told = build("kustomize", tmp_path, ["--enable-helm"], env)
    assert text == f"# build --enable-helm {tmp_path}\n"
    assert told == "careful"


def test_kubectl_has_another_verb(tmp_path: Path) -> None:
    env = program(tmp_path / "bin", "kubectl", 'echo "# $1"')
    assert build("kubectl", tmp_path, [], env)[0] == "# kustomize\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'no such resource' >&2; exit 1", "failed: no such resource"),
        ("true", "is empty"),
        ("printf '\\n'", "is empty"),
    ],
)
def test_no_build_is_never_deployed(tmp_path: Path, script: str, told: str) -> None:
    env = program(tmp_path / "bin", "kustomize", script)
    with pytest.raises(Blocked, match=told):
        build("kustomize", tmp_path, [], env)


def test_a_folder_and_a_program_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        build("kustomize", tmp_path / "none", [], {"PATH": ""})
    with pytest.raises(UsageError, match="'no-such-program'"):
        find_kustomize("no-such-program", os.environ)
    with pytest.raises(UsageError, match="neither kustomize nor kubectl"):
        find_kustomize("", {"PATH": str(tmp_path)})


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_a_folder_in_git_is_told_with_its_commit(tmp_path: Path) -> None:
    overlay = tmp_path / "repo" / "overlays" / "prod"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: []\n")
    assert source_of(overlay) == ("prod", "", False)
    git(tmp_path / "repo", "init", "-q")
    git(tmp_path / "repo", "add", "-A")
    git(tmp_path / "repo", "commit", "-qm", "first")
    clean = source_of(overlay)
    assert (clean.overlay, len(clean.commit), clean.dirty) == ("overlays/prod", 40, False)
    (overlay / "new.yaml").write_text("a: b\n")
    assert source_of(overlay) == (clean.overlay, clean.commit, True)
